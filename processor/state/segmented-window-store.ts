import { longBytes, readLong, writeLong } from '../../topology/number-bytes.ts'
import type { KeyValue, Windowed } from '../../topology/record.ts'
import type { KeptStore, WindowStore } from '../../topology/state-store.ts'
import { allKeys, inSegment, isWithin, type KeyRange, type Rows, SegmentedStore, type Span } from './segmented-store.ts'
import { idOf, idOfLong, longIn } from './store-entry.ts'
import type { KeptNumber } from './task-memory.ts'
import type { StoreOptions } from './write-back-store.ts'

/** Windows by key and start, in segments of time (see `SegmentedStore`). */
export class SegmentedWindowStore<K, V> extends SegmentedStore<K, V> implements WindowStore<K, V> {
  /** Kafka Streams' time-ordered window stores keep one millisecond more, so that a window still exists when it closes. */
  protected override get oldest(): number {
    return super.oldest - (this.timeOrdered ? 1 : 0)
  }

  readonly #retainDuplicates: boolean
  readonly #windowSizeMs: number
  readonly #sequence: KeptNumber

  constructor(builder: KeptStore, rows: Rows<V>, options: StoreOptions) {
    super(builder, rows, options)
    this.#retainDuplicates = builder.retainDuplicates ?? false
    // A store without duplicates needs no sequence number, and the note beside a position has little room.
    this.#sequence = this.#retainDuplicates ? options.memory.kept(`${builder.name}.sequence`, 'learnt') : { value: 0 }
    if (this.#sequence.value < 0) this.#sequence.value = 0
    this.#windowSizeMs = builder.windowSizeMs ?? 0
  }

  put(key: K, value: V | null, windowStart: number): void {
    // A null value takes a number too, as in Kafka Streams' changelog.
    if (this.#retainDuplicates) this.#sequence.value = (this.#sequence.value + 1) & 0x7fffffff
    if ((value === null && this.#retainDuplicates) || !this.admits(windowStart)) return
    const row = this.#rowKey(this.bytesOf(key), windowStart, this.#sequence.value)
    // The sequence number is new. The row cannot exist yet, so no read is needed.
    if (value !== null && this.#retainDuplicates) this.rows.add(row, value)
    else this.rows.put(row, value)
  }

  fetch(key: K, windowStart: number): V | null
  fetch(key: K, from: number, to: number): Iterable<KeyValue<number, V>>
  fetch(keyFrom: K | null, keyTo: K | null, from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
  fetch(...asked: PointAsked<K> | WindowsAsked<K>): V | null | Iterable<KeyValue<number | Windowed<K>, V>> {
    if (asked.length !== 2) return this.#fetched(asked, false)
    const [key, start] = asked
    return this.isReadable(start) ? this.rows.get(this.#rowKey(this.bytesOf(key), start, this.#sequence.value)) : null
  }

  backwardFetch(key: K, from: number, to: number): Iterable<KeyValue<number, V>>
  backwardFetch(keyFrom: K | null, keyTo: K | null, from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
  backwardFetch(...asked: WindowsAsked<K>): Iterable<KeyValue<number | Windowed<K>, V>> {
    return this.#fetched(asked, true)
  }

  fetchAll(from: number, to: number): IterableIterator<KeyValue<Windowed<K>, V>> {
    return this.#windows(allKeys, from, to, false)
  }

  backwardFetchAll(from: number, to: number): IterableIterator<KeyValue<Windowed<K>, V>> {
    return this.#windows(allKeys, from, to, true)
  }

  all(): IterableIterator<KeyValue<Windowed<K>, V>> {
    return this.#windows(allKeys, 0, Number.MAX_SAFE_INTEGER, false)
  }

  backwardAll(): IterableIterator<KeyValue<Windowed<K>, V>> {
    return this.#windows(allKeys, 0, Number.MAX_SAFE_INTEGER, true)
  }

  #fetched(asked: WindowsAsked<K>, reverse: boolean): Iterable<KeyValue<number | Windowed<K>, V>> {
    if (asked.length === 3) return this.fetchOrdered(...asked, reverse)
    const [keyFrom, keyTo, from, to] = asked
    return this.#windows(this.keyRange(keyFrom, keyTo), from, to, reverse)
  }

  /** A key's windows whose start is between `from` and `to`, oldest first, or with `reverse` newest first. */
  *fetchOrdered(key: K, from: number, to: number, reverse: boolean): IterableIterator<KeyValue<number, V>> {
    const span = this.span(from, to, reverse)
    if (span === null) return
    const bytes = this.bytesOf(key)
    if (this.timeOrdered) {
      for (const [row, value] of this.#rowsOf({ from: bytes, to: bytes }, span)) yield [this.#startIn(row), value]
      return
    }
    const id = idOf(bytes)
    const range = { ...span, tailLength: 12 }
    for (const segment of this.segments(span.from, span.to, reverse)) {
      const prefix = idOfLong(segment) + id
      for (const row of this.rows.ofPrefix(prefix, range)) if (row.value !== null) yield [longIn(row.id, prefix.length), row.value]
    }
  }

  /** Windows that start between `from` and `to`, including expired windows that `holdFrom` keeps. For time-ordered stores only. */
  *fetchHeld(from: number, to: number): IterableIterator<KeyValue<Windowed<K>, V>> {
    const [low, high] = [inSegment(this.segmentOf(from), longBytes(from)), inSegment(this.segmentOf(to), longBytes(to + 1))]
    for (const [row, value] of this.rows.between(low, high, false)) yield [this.#windowIn(row), value]
  }

  *#windows(keys: KeyRange, from: number, to: number, reverse: boolean): IterableIterator<KeyValue<Windowed<K>, V>> {
    const span = this.span(from, to, reverse)
    if (span === null) return
    for (const [row, value] of this.#rowsOf(keys, span)) yield [this.#windowIn(row), value]
  }

  #windowIn(row: Uint8Array): Windowed<K> {
    const start = this.#startIn(row)
    const key = this.keys.deserialize(this.topic, this.#keyIn(row))
    return { key, window: { start, end: Math.min(start + this.#windowSizeMs, Number.MAX_SAFE_INTEGER) } }
  }

  *#rowsOf(keys: KeyRange, span: Span): IterableIterator<KeyValue<Uint8Array, V>> {
    for (const [low, high] of this.scans(keys, span)) {
      for (const [row, value] of this.rows.between(low, high, span.reverse)) {
        const start = this.#startIn(row)
        if (start >= span.from && start <= span.to && isWithin(this.#keyIn(row), keys)) yield [row, value]
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
}

type PointAsked<K> = [key: K, windowStart: number]
type WindowsAsked<K> = [key: K, from: number, to: number] | [keyFrom: K | null, keyTo: K | null, from: number, to: number]
