import { longBytes } from '../../topology/number-bytes.ts'
import type { Serde } from '../../topology/serde.ts'
import type { KeptStore, StateStore } from '../../topology/state-store.ts'
import { segmentMsOf } from './changelog.ts'
import type { KeptNumber } from './task-memory.ts'
import type { StoreOptions, WriteBackStore } from './write-back-store.ts'

/** The rows of a segmented store, with bytes as keys. */
export type Rows<V> = WriteBackStore<Uint8Array, V>

/**
 * Windows and sessions in segments of time. Expired rows are deleted a whole segment at a time. Keys of rows are:
 *
 *     window:                segment i64 │ key │ start i64 │ sequence i32
 *     session:               segment i64 │ key │ end i64 │ start i64
 *     session, time-ordered: segment i64 │ end i64 │ start i64 │ key
 *     window, time-ordered:  segment i64 │ start i64 │ key │ sequence i32
 *
 * Retention works as in Kafka Streams' RocksDB stores. Rows past retention cannot be read. Rows in a segment that ended before the retention cannot
 * be written.
 */
export abstract class SegmentedStore<K, V> implements StateStore {
  readonly name: string
  readonly persistent: boolean
  protected readonly rows: Rows<V>
  protected readonly keys: Serde<K>
  protected readonly topic: string
  protected readonly timeOrdered: boolean
  readonly #retentionMs: number
  readonly #segmentMs: number
  readonly #streamTime: KeptNumber
  readonly #onExpired: () => void
  #dropped = 0
  /** Rows from this time on stay, however old they get. */
  #heldFrom = Number.POSITIVE_INFINITY

  constructor(builder: KeptStore, rows: Rows<V>, { topic, memory, onExpired = () => {} }: StoreOptions) {
    this.name = builder.name
    this.persistent = builder.persistent
    this.rows = rows
    this.keys = builder.key as unknown as Serde<K>
    this.topic = topic
    this.timeOrdered = builder.timeOrdered ?? false
    this.#retentionMs = builder.retentionMs ?? Number.MAX_SAFE_INTEGER
    this.#segmentMs = segmentMsOf(this.#retentionMs)
    this.#streamTime = memory.kept(`${builder.name}.time`, 'learnt')
    this.#onExpired = onExpired
  }

  protected segmentOf(timestamp: number): number {
    return Math.floor(timestamp / this.#segmentMs)
  }

  /** The earliest time that can still be read. */
  protected get oldest(): number {
    return this.#streamTime.value - this.#retentionMs + 1
  }

  /** Keeps rows from this time on, even if they are too old to be read. */
  holdFrom(time: number): void {
    this.#heldFrom = time
  }

  /** The readable whole times from `from` to `to`; null if there is none. */
  protected span(from: number, to: number, reverse: boolean): Span | null {
    const span = { from: Math.max(0, Math.ceil(from), this.oldest), to: Math.min(Math.floor(to), Number.MAX_SAFE_INTEGER), reverse }
    return span.from <= span.to ? span : null
  }

  /** True for a time that a row can have and that can still be read. */
  protected isReadable(time: number): boolean {
    return Number.isSafeInteger(time) && time >= this.oldest
  }

  /** The segments that may contain rows from `from` to `to`, oldest first, or with `reverse` newest first. */
  protected segments(from: number, to: number, reverse = false): number[] {
    const last = Math.min(this.segmentOf(to), this.segmentOf(this.#streamTime.value))
    const segments: number[] = []
    for (let segment = Math.max(0, this.segmentOf(from), this.#live); segment <= last; segment++) segments.push(segment)
    return reverse ? segments.reverse() : segments
  }

  /**
   * The ranges of row keys that contain the rows of these keys from `from` to `to`, in the order of the iteration. The ranges may contain other rows
   * too. A scan sees the state at its first step. A read of all keys is one scan, and so one snapshot. A read of some keys is one snapshot for each
   * segment, as in Kafka Streams.
   */
  protected scans(keys: KeyRange, { from, to, reverse }: Span): readonly Scan[] {
    const segments = this.segments(from, to)
    const [first, last] = [segments[0], segments.at(-1)]
    if (first === undefined || last === undefined) return []
    if (this.timeOrdered) return [[inSegment(first, longBytes(from)), inSegment(last, longBytes(to + 1))]]
    if (keys.from === null && keys.to === null) return [[segmentBound(first), segmentBound(last + 1)]]
    return (reverse ? segments.reverse() : segments).map((segment) => scanOf(segment, keys, to))
  }

  protected bytesOf(key: K): Uint8Array {
    return this.keys.serialize(this.topic, key)
  }

  /** The bytes of a range's bounds. Null means no bound. */
  protected keyRange(from: K | null, to: K | null): KeyRange {
    return { from: from === null ? null : this.bytesOf(from), to: to === null ? null : this.bytesOf(to) }
  }

  /** False for a put at a time before the retention. Such a put counts as expired. */
  protected admits(timestamp: number): boolean {
    if (timestamp > this.#streamTime.value) this.#streamTime.value = timestamp
    const live = this.#live
    if (this.segmentOf(timestamp) < live) {
      this.#onExpired()
      return false
    }
    const kept = Math.min(live, this.segmentOf(this.#heldFrom))
    if (kept > this.#dropped) this.#drop(kept)
    return true
  }

  /** The oldest segment that is kept. */
  get #live(): number {
    return this.segmentOf(this.#streamTime.value - this.#retentionMs)
  }

  #drop(live: number): void {
    this.#dropped = live
    this.rows.expireBefore(segmentBound(live))
  }
}

/** The keys from `from` to `to`, both included. Null means no bound. */
export interface KeyRange {
  readonly from: Uint8Array | null
  readonly to: Uint8Array | null
}

/** The times from `from` to `to`, both included, and the direction of reading. */
export interface Span {
  readonly from: number
  readonly to: number
  readonly reverse: boolean
}

/** The bounds of a scan, as row keys. The lower bound is inclusive, the upper bound exclusive. */
type Scan = readonly [low: Uint8Array, high: Uint8Array]

export const allKeys: KeyRange = { from: null, to: null }

export function isWithin(key: Uint8Array, { from, to }: KeyRange): boolean {
  return (from === null || Buffer.compare(key, from) >= 0) && (to === null || Buffer.compare(key, to) <= 0)
}

/** The scan of one segment, for a store whose rows are ordered by key first. */
function scanOf(segment: number, keys: KeyRange, to: number): Scan {
  const low = keys.from === null ? segmentBound(segment) : inSegment(segment, keys.from)
  if (keys.to === null) return [low, segmentBound(segment + 1)]
  // In a row key, the time follows the key. So rows of this key may sort after rows of a longer key that begins with this key.
  let high = inSegment(segment, keys.to, longBytes(to + 1))
  for (let length = 0; length < keys.to.length; length++) {
    const shorter = inSegment(segment, keys.to.subarray(0, length), longBytes(to + 1))
    if (Buffer.compare(shorter, high) > 0) high = shorter
  }
  return [low, high]
}

export function inSegment(segment: number, ...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat([longBytes(segment), ...parts])
}

/** The lower bound of a segment. Rows of the segment sort after it, and rows of earlier segments before it. */
export function segmentBound(segment: number): Uint8Array {
  return longBytes(segment)
}
