import type { KeptStore } from '../../topology/state-store.ts'

/** A change of a store as its changelog holds it: Kafka Streams' bytes, so that either can restore what the other wrote. */
export interface ChangelogRecord {
  readonly key: Uint8Array
  /** Null deletes. */
  readonly value: Uint8Array | null
  readonly timestamp: number
}

export type RowChange = readonly [key: Uint8Array, value: Uint8Array | null, timestamp?: number]

/**
 * Keys without what only orders rows here, values without the timestamp that the record has:
 *
 *     key-value: key                     window: key │ start i64 │ sequence i32         session: key │ end i64 │ start i64
 *
 * Null for stores whose changelog is not Kafka Streams' yet (versions, and what joins and suppression keep), and for what merely ran out.
 */
export function changelogRecord(store: KeptStore, [row, value, timestamp = -1]: RowChange): ChangelogRecord | null {
  if (timestamp === ranOut || store.kind === 'versioned') return null
  const key = keyIn(store, row)
  if (value === null || store.timestamped !== true) return { key, value, timestamp }
  const view = new DataView(value.buffer, value.byteOffset, 8)
  return { key, value: value.subarray(8), timestamp: view.getInt32(0) * 2 ** 32 + view.getUint32(4) }
}

/** Of a row that was dropped with its segment: a changelog forgets by its own retention. */
export const ranOut = -2

function keyIn(store: KeptStore, row: Uint8Array): Uint8Array {
  if (store.kind === 'keyValue') return row
  if (store.timeOrdered !== true) return row.subarray(segmentBytes)
  if (store.kind === 'window') {
    const [start, key, sequence] = [row.subarray(8, 16), row.subarray(16, row.length - 4), row.subarray(row.length - 4)]
    return Buffer.concat([key, start, sequence])
  }
  return Buffer.concat([row.subarray(24), row.subarray(8, 24)])
}

const segmentBytes = 8
