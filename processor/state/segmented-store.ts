import type { KeyValue, Windowed } from '../../topology/record.ts'
import type { Serde } from '../../topology/serde.ts'
import type { KeptStore, SessionStore, StateStore, WindowStore } from '../../topology/state-store.ts'
import { segmentMsOf } from './changelog.ts'
import { longBytes, readLong, writeLong } from './long.ts'
import { idOf, idOfLong, longIn } from './store-entry.ts'
import type { KeptNumber } from './task-memory.ts'
import type { StoreOptions, WriteBackStore } from './write-back-store.ts'

/** Rows by bytes: what a segmented store is made of. */
export type Rows<V> = WriteBackStore<Uint8Array, V>

/**
 * Windows and sessions lie in segments of time, so that what has run out goes a segment at a time. A row's key is
 *
 *     window:                segment i64 │ key │ start i64 │ sequence i32
 *     session:               segment i64 │ key │ end i64 │ start i64
 *     session, time-ordered: segment i64 │ end i64 │ start i64 │ key
 *     window, time-ordered:  segment i64 │ start i64 │ key │ sequence i32
 *
 * Retention as in Kafka Streams' RocksDB stores: what is older than it cannot be read, what lies in a segment that ended before it
 * cannot be written.
 */
abstract class SegmentedStore<K, V> implements StateStore {
  readonly name: string
  readonly persistent: boolean
  protected readonly rows: Rows<V>
  protected readonly keys: Serde<K>
  protected readonly topic: string
  protected readonly timeOrdered: boolean
  readonly #retentionMs: number
  readonly #segmentMs: number
  readonly #streamTime: KeptNumber
  #dropped = 0

  constructor(builder: KeptStore, rows: Rows<V>, { topic, memory }: StoreOptions) {
    this.name = builder.name
    this.persistent = builder.persistent
    this.rows = rows
    this.keys = builder.key as unknown as Serde<K>
    this.topic = topic
    this.timeOrdered = builder.timeOrdered ?? false
    this.#retentionMs = builder.retentionMs ?? Number.MAX_SAFE_INTEGER
    this.#segmentMs = segmentMsOf(this.#retentionMs)
    this.#streamTime = memory.kept(`${builder.name}.time`, 'learnt')
  }

  protected segmentOf(timestamp: number): number {
    return Math.floor(timestamp / this.#segmentMs)
  }

  /** The least time that can still be read. */
  protected get oldest(): number {
    return this.#streamTime.value - this.#retentionMs + 1
  }

  /** The segments that rows from `from` to `to` may lie in. */
  protected segments(from: number, to: number): number[] {
    const last = Math.min(this.segmentOf(to), this.segmentOf(this.#streamTime.value))
    const segments: number[] = []
    for (let segment = Math.max(0, this.segmentOf(from), this.#live); segment <= last; segment++) segments.push(segment)
    return segments
  }

  /** False where the time is too long ago to be kept. */
  protected admits(timestamp: number): boolean {
    if (timestamp > this.#streamTime.value) this.#streamTime.value = timestamp
    const live = this.#live
    if (this.segmentOf(timestamp) < live) return false
    if (live > this.#dropped) this.#drop(live)
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

export class SegmentedWindowStore<K, V> extends SegmentedStore<K, V> implements WindowStore<K, V> {
  /** Kafka Streams' time-ordered window stores keep a millisecond more, so that a window is still there when it closes. */
  protected override get oldest(): number {
    return super.oldest - (this.timeOrdered ? 1 : 0)
  }

  readonly #retainDuplicates: boolean
  readonly #windowSizeMs: number
  readonly #sequence: KeptNumber

  constructor(builder: KeptStore, rows: Rows<V>, options: StoreOptions) {
    super(builder, rows, options)
    this.#retainDuplicates = builder.retainDuplicates ?? false
    // A store without duplicates needs no sequence number, and a position has little room.
    this.#sequence = this.#retainDuplicates ? options.memory.kept(`${builder.name}.sequence`, 'learnt') : { value: 0 }
    if (this.#sequence.value < 0) this.#sequence.value = 0
    this.#windowSizeMs = builder.windowSizeMs ?? 0
  }

  put(key: K, value: V | null, windowStart: number): void {
    // Counted for null too: Kafka Streams' changelog does.
    if (this.#retainDuplicates) this.#sequence.value = (this.#sequence.value + 1) & 0x7fffffff
    if ((value === null && this.#retainDuplicates) || !this.admits(windowStart)) return
    const row = this.#rowKey(this.#bytesOf(key), windowStart, this.#sequence.value)
    // Its sequence makes it a row that there never was.
    if (value !== null && this.#retainDuplicates) this.rows.add(row, value)
    else this.rows.put(row, value)
  }

  fetch(key: K, windowStart: number): V | null
  fetch(key: K, from: number, to: number): Iterable<KeyValue<number, V>>
  fetch(key: K, from: number, to?: number): V | null | Iterable<KeyValue<number, V>> {
    if (to !== undefined) return this.fetchOrdered(key, from, to, false)
    return from < this.oldest ? null : this.rows.get(this.#rowKey(this.#bytesOf(key), from, this.#sequence.value))
  }

  /** A key's windows that start between the two, oldest first or, `reverse`, newest first. */
  *fetchOrdered(key: K, from: number, to: number, reverse: boolean): IterableIterator<KeyValue<number, V>> {
    const actualFrom = Math.max(from, this.oldest)
    if (to < actualFrom) return
    const bytes = this.#bytesOf(key)
    const id = idOf(bytes)
    const range = { from: Math.max(0, actualFrom), to, tailLength: 12, reverse }
    const segments = this.segments(actualFrom, to)
    for (const segment of reverse ? segments.reverse() : segments) {
      if (this.timeOrdered) {
        for (const [row, value] of this.rows.between(bytesOf(segment, longBytes(range.from)), bytesOf(segment, longBytes(to + 1)), reverse))
          if (Buffer.compare(this.#keyIn(row), bytes) === 0) yield [this.#startIn(row), value]
        continue
      }
      const prefix = idOfLong(segment) + id
      for (const row of this.rows.ofPrefix(prefix, range)) if (row.value !== null) yield [longIn(row.id, prefix.length), row.value]
    }
  }

  *fetchAll(from: number, to: number): IterableIterator<KeyValue<Windowed<K>, V>> {
    const actualFrom = Math.max(from, this.oldest)
    if (to < actualFrom) return
    for (const segment of this.segments(actualFrom, to)) {
      const [low, high] = this.timeOrdered
        ? [bytesOf(segment, longBytes(Math.max(0, actualFrom))), bytesOf(segment, longBytes(to + 1))]
        : [segmentBound(segment), segmentBound(segment + 1)]
      for (const [row, value] of this.rows.between(low, high, false)) {
        const start = this.#startIn(row)
        if (start < actualFrom || start > to) continue
        const key = this.keys.deserialize(this.topic, this.#keyIn(row))
        yield [{ key, window: { start, end: Math.min(start + this.#windowSizeMs, Number.MAX_SAFE_INTEGER) } }, value]
      }
    }
  }

  #rowKey(key: Uint8Array, start: number, sequence: number): Uint8Array {
    const segment = this.segmentOf(start)
    const row = Buffer.allocUnsafe(20 + key.length)
    writeLong(row, segment, 0)
    if (this.timeOrdered) {
      writeLong(row, start, 8)
      row.set(key, 16)
    } else {
      row.set(key, 8)
      writeLong(row, start, 8 + key.length)
    }
    row.writeInt32BE(sequence, 16 + key.length)
    return row
  }

  #startIn(row: Uint8Array): number {
    return readLong(row, this.timeOrdered ? 8 : row.length - 12)
  }

  #keyIn(row: Uint8Array): Uint8Array {
    return this.timeOrdered ? row.subarray(16, row.length - 4) : row.subarray(8, row.length - 12)
  }

  #bytesOf(key: K): Uint8Array {
    return this.keys.serialize(this.topic, key)
  }
}

export class SegmentedSessionStore<K, V> extends SegmentedStore<K, V> implements SessionStore<K, V> {
  put({ key, window }: Windowed<K>, value: V | null): void {
    if (this.admits(window.end)) this.rows.put(this.#rowKey(this.keys.serialize(this.topic, key), window.start, window.end), value)
  }

  fetch(key: K): Iterable<KeyValue<Windowed<K>, V>> {
    return this.findSessions(key, 0, Number.MAX_SAFE_INTEGER)
  }

  /** A key's sessions that end at `earliestEnd` or later and start at `latestStart` or earlier, by their end. */
  *findSessions(key: K, earliestEnd: number, latestStart: number): IterableIterator<KeyValue<Windowed<K>, V>> {
    const from = Math.max(0, earliestEnd, this.oldest)
    const bytes = this.keys.serialize(this.topic, key)
    const id = idOf(bytes)
    const isWanted = ({ start, end }: Session) => end >= from && start <= latestStart
    for (const segment of this.segments(from, Number.MAX_SAFE_INTEGER)) {
      if (this.timeOrdered) {
        for (const [row, value] of this.rows.between(bytesOf(segment, longBytes(from)), segmentBound(segment + 1), false)) {
          const window = this.#windowIn(row)
          if (isWanted(window) && Buffer.compare(this.#keyIn(row), bytes) === 0) yield [{ key, window }, value]
        }
        continue
      }
      const prefix = idOfLong(segment) + id
      for (const row of this.rows.ofPrefix(prefix, { from, to: Number.MAX_SAFE_INTEGER, tailLength: 16, reverse: false })) {
        const window = { end: longIn(row.id, prefix.length), start: longIn(row.id, prefix.length + 8) }
        if (row.value !== null && isWanted(window)) yield [{ key, window }, row.value]
      }
    }
  }

  /** All sessions that end between the two, in the order of their ends. Time-ordered stores only. */
  *sessionsEnding(from: number, to: number): IterableIterator<KeyValue<Windowed<K>, V>> {
    for (const segment of this.segments(from, to)) {
      for (const [row, value] of this.rows.between(bytesOf(segment, longBytes(from)), bytesOf(segment, longBytes(to + 1)), false))
        yield [{ key: this.keys.deserialize(this.topic, this.#keyIn(row)), window: this.#windowIn(row) }, value]
    }
  }

  #rowKey(key: Uint8Array, start: number, end: number): Uint8Array {
    const row = Buffer.allocUnsafe(24 + key.length)
    const at = this.timeOrdered ? 8 : 8 + key.length
    writeLong(row, this.segmentOf(end), 0)
    row.set(key, this.timeOrdered ? 24 : 8)
    writeLong(row, end, at)
    writeLong(row, start, at + 8)
    return row
  }

  #windowIn(row: Uint8Array): Session {
    const at = this.timeOrdered ? 8 : row.length - 16
    return { end: readLong(row, at), start: readLong(row, at + 8) }
  }

  #keyIn(row: Uint8Array): Uint8Array {
    return this.timeOrdered ? row.subarray(24) : row.subarray(8, row.length - 16)
  }
}

interface Session {
  readonly start: number
  readonly end: number
}

function bytesOf(segment: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([longBytes(segment), ...parts])
}

/** Rows of a segment come behind it, those of the segments before it before it. */
export function segmentBound(segment: number): Uint8Array {
  return longBytes(segment)
}
