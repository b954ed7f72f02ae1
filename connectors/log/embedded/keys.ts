import type { Rocks } from '../../rocksdb/rocks.ts'

/**
 * Keys of the one database, by their first byte:
 *
 *     T topic name                              → topic as JSON
 *     E topic u32 │ partition u32               → start, end, bytes: f64 × 3
 *     L topic u32 │ partition u32 │ offset f64  → run of records
 *     P group 0x00 topic 0x00 partition u32     → offset f64, metadata
 *     N task 0x00 store                         → number of the store, u32
 *     G segment u32 │ topic u32 │ partition u32 → last offset that names the segment: f64
 *     S store u32 │ key                         → value
 *     D 'T' or 'S' │ number u32                 → the topic or store was removed, and may have rows left
 *
 * Numbers are big-endian, so that keys sort as their numbers do. Offsets are non-negative doubles, whose bytes sort in the same way.
 */
export const prefix = { topic: 0x54, ends: 0x45, run: 0x4c, position: 0x50, storeId: 0x4e, segmentUse: 0x47, state: 0x53, removed: 0x44 } as const

export function topicKey(name: string): Buffer {
  return named(prefix.topic, name)
}

export function endsKey(topic: number, partition: number): Buffer {
  return numbered(prefix.ends, topic, partition)
}

export function runKey(topic: number, partition: number, offset: number): Buffer {
  const key = Buffer.allocUnsafe(17)
  key[0] = prefix.run
  key.writeUInt32BE(topic, 1)
  key.writeUInt32BE(partition, 5)
  key.writeDoubleBE(offset, 9)
  return key
}

export function offsetOfRunKey(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getFloat64(9)
}

export function positionKey(group: string, topic: string, partition: number): Buffer {
  return named(prefix.position, `${group}\0${topic}\0${partition}`)
}

/** The keys of all positions of a group, as a range: `from` inclusive, `to` exclusive. */
export function positionsOf(group: string): readonly [from: Buffer, to: Buffer] {
  return [named(prefix.position, `${group}\0`), named(prefix.position, `${group}\x01`)]
}

/** All positions in the database. Group, topic and partition come from the keys. */
export function* positionsIn(rocks: Rocks): IterableIterator<{
  readonly key: Uint8Array
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly value: Uint8Array
}> {
  for (const [key, value] of rocks.range(Uint8Array.of(prefix.position), Uint8Array.of(prefix.position + 1))) {
    const [group = '', topic = '', partition = ''] = Buffer.from(key.subarray(1)).toString().split('\0')
    yield { key, group, topic, partition: Number(partition), value }
  }
}

export function removedKey(kind: 'topic' | 'store', number: number): Buffer {
  const key = Buffer.allocUnsafe(6)
  key[0] = prefix.removed
  key[1] = kind === 'topic' ? prefix.topic : prefix.state
  key.writeUInt32BE(number, 2)
  return key
}

export function storeIdKey(task: string, store: string): Buffer {
  return named(prefix.storeId, `${task}\0${store}`)
}

export function segmentUseKey(segment: number, topic: number, partition: number): Buffer {
  return numbered(prefix.segmentUse, segment, topic, partition)
}

export function stateKey(store: number, key: Uint8Array): Buffer {
  const full = Buffer.allocUnsafe(5 + key.length)
  full[0] = prefix.state
  full.writeUInt32BE(store, 1)
  full.set(key, 5)
  return full
}

export const stateKeyLength = 5

/** A prefix and numbers of 32 bits. */
function numbered(first: number, ...numbers: readonly number[]): Buffer {
  const key = Buffer.allocUnsafe(1 + 4 * numbers.length)
  key[0] = first
  numbers.forEach((number, at) => {
    key.writeUInt32BE(number, 1 + 4 * at)
  })
  return key
}

function named(first: number, name: string): Buffer {
  const bytes = Buffer.from(name)
  const key = Buffer.allocUnsafe(1 + bytes.length)
  key[0] = first
  key.set(bytes, 1)
  return key
}
