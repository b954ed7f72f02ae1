export interface StoreRow<V> {
  readonly id: string
  readonly value: V | null
}

/** A row of a store in memory. Its key is kept as the string `id`, because a small Buffer would keep its whole pool alive. */
export interface StoreEntry<V> extends StoreRow<V> {
  value: V | null
  /** The timestamp of the record that last changed the row. */
  timestamp: number
  /** `present` if the latest commit, pending or not, has a row with this key. */
  below: 'unknown' | 'absent' | 'present'
  dirty: boolean
  /** The number of pending commits with this entry. */
  commits: number
}

/** True while only memory has the current value. */
export function isUncommitted<V>(entry: StoreEntry<V>): boolean {
  return entry.dirty || entry.commits > 0
}

export function keyOf<V>({ id }: StoreRow<V>): Uint8Array {
  return Buffer.from(id, 'latin1')
}

/** Bytes as a string of code units 0–255, which a Map can look up. */
export function idOf(key: Uint8Array): string {
  return (key instanceof Buffer ? key : Buffer.from(key.buffer, key.byteOffset, key.byteLength)).toString('latin1')
}

/** Compares ids in the order of their bytes. */
export function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The id of a number as eight bytes, big-endian, which is how keys contain times. */
export function idOfLong(value: number): string {
  const [high, low] = [Math.floor(value / 2 ** 32), value >>> 0]
  return String.fromCharCode(
    (high >>> 24) & 255,
    (high >>> 16) & 255,
    (high >>> 8) & 255,
    high & 255,
    low >>> 24,
    (low >>> 16) & 255,
    (low >>> 8) & 255,
    low & 255,
  )
}

export function longIn(id: string, at: number): number {
  return intIn(id, at) * 2 ** 32 + (intIn(id, at + 4) >>> 0)
}

function intIn(id: string, at: number): number {
  return (id.charCodeAt(at) << 24) | (id.charCodeAt(at + 1) << 16) | (id.charCodeAt(at + 2) << 8) | id.charCodeAt(at + 3)
}
