import { readLong, writeLong } from '../../topology/number-bytes.ts'
import type { KeyValue, Windowed } from '../../topology/record.ts'
import type { SessionStore } from '../../topology/state-store.ts'
import { allKeys, isWithin, type KeyRange, SegmentedStore, type Span } from './segmented-store.ts'
import { idOf, idOfLong, longIn } from './store-entry.ts'

/** Sessions by key, end and start, in segments of time (see `SegmentedStore`). */
export class SegmentedSessionStore<K, V> extends SegmentedStore<K, V> implements SessionStore<K, V> {
  put({ key, window }: Windowed<K>, value: V | null): void {
    if (this.admits(window.end)) this.rows.put(this.#rowKey(this.bytesOf(key), window.start, window.end), value)
  }

  fetchSession(key: K, start: number, end: number): V | null {
    if (!Number.isSafeInteger(start) || !this.isReadable(end)) return null
    return this.rows.get(this.#rowKey(this.bytesOf(key), start, end))
  }

  fetch(key: K): Iterable<KeyValue<Windowed<K>, V>>
  fetch(keyFrom: K | null, keyTo: K | null): Iterable<KeyValue<Windowed<K>, V>>
  fetch(...keys: KeysAsked<K>): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#found(keys, 0, Number.MAX_SAFE_INTEGER, false)
  }

  backwardFetch(key: K): Iterable<KeyValue<Windowed<K>, V>>
  backwardFetch(keyFrom: K | null, keyTo: K | null): Iterable<KeyValue<Windowed<K>, V>>
  backwardFetch(...keys: KeysAsked<K>): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#found(keys, 0, Number.MAX_SAFE_INTEGER, true)
  }

  findSessions(key: K, earliestEnd: number, latestStart: number): IterableIterator<KeyValue<Windowed<K>, V>>
  findSessions(keyFrom: K | null, keyTo: K | null, earliestEnd: number, latestStart: number): IterableIterator<KeyValue<Windowed<K>, V>>
  findSessions(...asked: SessionsAsked<K>): IterableIterator<KeyValue<Windowed<K>, V>> {
    return this.#asked(asked, false)
  }

  backwardFindSessions(key: K, earliestEnd: number, latestStart: number): IterableIterator<KeyValue<Windowed<K>, V>>
  backwardFindSessions(keyFrom: K | null, keyTo: K | null, earliestEnd: number, latestStart: number): IterableIterator<KeyValue<Windowed<K>, V>>
  backwardFindSessions(...asked: SessionsAsked<K>): IterableIterator<KeyValue<Windowed<K>, V>> {
    return this.#asked(asked, true)
  }

  /** All sessions whose end is between `from` and `to`, in the order of their ends. For time-ordered stores only. */
  *sessionsEnding(from: number, to: number): IterableIterator<KeyValue<Windowed<K>, V>> {
    for (const [row, value] of this.#rowsOf(allKeys, { from: Math.max(0, from), to, reverse: false }))
      yield [{ key: this.keys.deserialize(this.topic, this.#keyIn(row)), window: this.#windowIn(row) }, value]
  }

  #asked(asked: SessionsAsked<K>, reverse: boolean): IterableIterator<KeyValue<Windowed<K>, V>> {
    if (asked.length === 3) return this.#ofKey(...asked, reverse)
    const [keyFrom, keyTo, earliestEnd, latestStart] = asked
    return this.#found([keyFrom, keyTo], earliestEnd, latestStart, reverse)
  }

  #found(keys: KeysAsked<K>, earliestEnd: number, latestStart: number, reverse: boolean): IterableIterator<KeyValue<Windowed<K>, V>> {
    if (keys.length === 1) return this.#ofKey(keys[0], earliestEnd, latestStart, reverse)
    return this.#ofKeys(keys, earliestEnd, latestStart, reverse)
  }

  *#ofKey(key: K, earliestEnd: number, latestStart: number, reverse: boolean): IterableIterator<KeyValue<Windowed<K>, V>> {
    const span = this.span(earliestEnd, Number.MAX_SAFE_INTEGER, reverse)
    if (span === null) return
    const bytes = this.bytesOf(key)
    if (this.timeOrdered) {
      for (const [row, value] of this.#rowsOf({ from: bytes, to: bytes }, span)) {
        const window = this.#windowIn(row)
        if (window.start <= latestStart) yield [{ key, window }, value]
      }
      return
    }
    const id = idOf(bytes)
    const range = { ...span, tailLength: 16 }
    for (const segment of this.segments(span.from, span.to, reverse)) {
      const prefix = idOfLong(segment) + id
      for (const row of this.rows.ofPrefix(prefix, range)) {
        const window = { end: longIn(row.id, prefix.length), start: longIn(row.id, prefix.length + 8) }
        if (row.value !== null && window.start <= latestStart) yield [{ key, window }, row.value]
      }
    }
  }

  *#ofKeys(
    [from, to]: readonly [K | null, K | null],
    earliestEnd: number,
    latestStart: number,
    reverse: boolean,
  ): IterableIterator<KeyValue<Windowed<K>, V>> {
    const span = this.span(earliestEnd, Number.MAX_SAFE_INTEGER, reverse)
    if (span === null) return
    for (const [row, value] of this.#rowsOf(this.keyRange(from, to), span)) {
      const window = this.#windowIn(row)
      if (window.start <= latestStart) yield [{ key: this.keys.deserialize(this.topic, this.#keyIn(row)), window }, value]
    }
  }

  *#rowsOf(keys: KeyRange, span: Span): IterableIterator<KeyValue<Uint8Array, V>> {
    for (const [low, high] of this.scans(keys, span)) {
      for (const [row, value] of this.rows.between(low, high, span.reverse)) {
        const { end } = this.#windowIn(row)
        if (end >= span.from && end <= span.to && isWithin(this.#keyIn(row), keys)) yield [row, value]
      }
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

type KeysAsked<K> = [key: K] | [keyFrom: K | null, keyTo: K | null]
type SessionsAsked<K> =
  | [key: K, earliestEnd: number, latestStart: number]
  | [keyFrom: K | null, keyTo: K | null, earliestEnd: number, latestStart: number]
