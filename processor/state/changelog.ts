import { readLong, writeLong } from '../../topology/number-bytes.ts'
import { noHeaders } from '../../topology/record.ts'
import type { KeptStore } from '../../topology/state-store.ts'
import type { ChangelogRecord } from '../ports.ts'

/** A change of one row, and the timestamp of the record that caused it. */
export type RowChange = readonly [key: Uint8Array, value: Uint8Array | null, timestamp: number]

/**
 * Marks a row that expired with its segment, in the place of a timestamp. Such a row gets no changelog record, because the changelog has a retention
 * of its own.
 */
export const expiredMark = -2

/**
 * The format of a store's rows in its changelog. Changelog keys lack the parts that only order rows in the store. Values lack the timestamp, which
 * the record has.
 *
 *     key-value: key                     window: key │ start i64 │ sequence i32         session: key │ end i64 │ start i64
 *
 * A versioned store does not write its changelog row by row: see `SegmentedVersionedStore`.
 */
export class Changelog {
  readonly #store: KeptStore
  readonly #segmentMs: number

  constructor(store: KeptStore) {
    this.#store = store
    this.#segmentMs = segmentMsOf(store.retentionMs ?? Number.MAX_SAFE_INTEGER)
  }

  /** The changelog record of a change; null for a row that expired. */
  recordOf([row, value, timestamp]: RowChange): ChangelogRecord | null {
    if (timestamp === expiredMark) return null
    const key = this.#keyIn(row)
    if (value === null) return { key, value, timestamp, headers: noHeaders }
    const headers = this.#store.changelogHeaders ?? noHeaders
    if (this.#store.timestamped !== true) return { key, value, timestamp, headers }
    return { key, value: value.subarray(8), timestamp: readLong(value, 0), headers }
  }

  rowOf({ key, value, timestamp }: Pick<ChangelogRecord, 'key' | 'value' | 'timestamp'>): RowChange {
    const row = this.#rowIn(key)
    if (value === null || this.#store.timestamped !== true) return [row, value, timestamp]
    const timed = Buffer.allocUnsafe(8 + value.length)
    writeLong(timed, timestamp, 0)
    timed.set(value, 8)
    return [row, timed, timestamp]
  }

  /** The least length of a changelog key, in bytes. */
  get minKeyBytes(): number {
    return this.#store.kind === 'window' ? 12 : this.#store.kind === 'session' ? 16 : 0
  }

  /** The time in a changelog key: a window's start, or a session's end; -1 if the rows have no time. */
  timeOf(key: Uint8Array): number {
    if (this.#store.kind === 'window') return readLong(key, key.length - 12)
    return this.#store.kind === 'session' ? readLong(key, key.length - 16) : -1
  }

  #keyIn(row: Uint8Array): Uint8Array {
    const { kind, timeOrdered } = this.#store
    if (kind === 'keyValue') return row
    if (timeOrdered !== true) return row.subarray(segmentBytes)
    const times = kind === 'window' ? 8 : 16
    const sequence = kind === 'window' ? 4 : 0
    const from = segmentBytes + times
    return Buffer.concat([row.subarray(from, row.length - sequence), row.subarray(segmentBytes, from), row.subarray(row.length - sequence)])
  }

  #rowIn(key: Uint8Array): Uint8Array {
    const { kind, timeOrdered } = this.#store
    if (kind === 'keyValue') return key
    const segment = Buffer.allocUnsafe(segmentBytes)
    writeLong(segment, Math.floor(this.timeOf(key) / this.#segmentMs), 0)
    if (timeOrdered !== true) return Buffer.concat([segment, key])
    const sequence = kind === 'window' ? 4 : 0
    const from = key.length - sequence - (kind === 'window' ? 8 : 16)
    return Buffer.concat([segment, key.subarray(from, key.length - sequence), key.subarray(0, from), key.subarray(key.length - sequence)])
  }
}

/** Segment length as in Kafka Streams: half of the retention, at least a minute. */
export function segmentMsOf(retentionMs: number): number {
  return Math.max(Math.floor(retentionMs / 2), 60_000)
}

const segmentBytes = 8
