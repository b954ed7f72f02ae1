import assert from 'node:assert/strict'
import { SegmentedVersionedStore } from '../../processor/state/versioned-store.ts'
import type { Windowed } from '../../topology/record.ts'
import { Serdes } from '../../topology/serdes.ts'
import type {
  KeptStore,
  KeyValueStore,
  SessionStore,
  StateStore,
  StoreBuilder,
  VersionedKeyValueStore,
  WindowStore,
} from '../../topology/state-store.ts'
import { Stores } from '../../topology/streams/stores.ts'
import type { Read, Write } from '../contract/state-stores.ts'

/** One way to read a store, and the expected rows. */
export interface ModelledRead {
  readonly name: string
  rows(): Iterable<unknown>
  expected(): readonly unknown[]
  /** True: all rows are from the moment of the first step. Reads of some keys in several segments use the moment of each segment’s first step. */
  readonly isSnapshot: boolean
}

/** The expected content of a store, kept by a plain model. */
export interface StoreModel {
  readonly spec: KeptStore
  /** Writes to the store and to the model. */
  write(store: StateStore, write: Write): void
  reads(store: StateStore, read: Read): readonly ModelledRead[]
}

const text = Serdes.string()
const retentionMs = 60_000
const windowSizeMs = 10
const windows = { retentionMs, windowSizeMs }

/** Every kind of store that `Stores` or the engine makes. */
export const modelledStores: readonly { readonly name: string; make(): StoreModel }[] = [
  keyValues('A persistent key-value store', Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore('st'), text, text)),
  keyValues('A key-value store in memory', Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore('st'), text, text)),
  keyValues('A key-value store with timestamps', Stores.timestampedKeyValueStoreBuilder(Stores.persistentKeyValueStore('st'), text, text)),
  ofWindows('A persistent window store', Stores.windowStoreBuilder(Stores.persistentWindowStore('st', windows), text, text)),
  ofWindows('A window store in memory', Stores.windowStoreBuilder(Stores.inMemoryWindowStore('st', windows), text, text)),
  ofWindows('A window store with timestamps', Stores.timestampedWindowStoreBuilder(Stores.persistentWindowStore('st', windows), text, text)),
  ofWindows(
    'A window store with duplicates',
    Stores.windowStoreBuilder(Stores.persistentWindowStore('st', { ...windows, retainDuplicates: true }), text, text),
  ),
  ofWindows('A window store in the order of time', timeOrdered(Stores.windowStoreBuilder(Stores.persistentWindowStore('st', windows), text, text))),
  ofSessions('A persistent session store', Stores.sessionStoreBuilder(Stores.persistentSessionStore('st', { retentionMs }), text, text)),
  ofSessions('A session store in memory', Stores.sessionStoreBuilder(Stores.inMemorySessionStore('st', { retentionMs }), text, text)),
  ofSessions(
    'A session store in the order of time',
    timeOrdered(Stores.sessionStoreBuilder(Stores.persistentSessionStore('st', { retentionMs }), text, text)),
  ),
  {
    name: 'A versioned store',
    make: () => {
      const supplier = Stores.persistentVersionedKeyValueStore('st', { historyRetentionMs })
      return new Versions(Stores.versionedKeyValueStoreBuilder(supplier, text, text))
    },
  },
]

const historyRetentionMs = 60_000
const versionSegmentMs = 20_000

function keyValues(name: string, spec: KeptStore) {
  return { name, make: () => new KeyValues(spec) }
}

function ofWindows(name: string, spec: KeptStore) {
  return { name, make: () => new Windows(spec) }
}

function ofSessions(name: string, spec: KeptStore) {
  return { name, make: () => new Sessions(spec) }
}

function timeOrdered<S extends StateStore>(spec: KeptStore & StoreBuilder<S>): KeptStore {
  return { ...spec, timeOrdered: true }
}

/** The value in the form that the store keeps. */
function kept({ timestamped }: KeptStore, { value, at }: Pick<Write, 'value' | 'at'>): unknown {
  return timestamped && value !== null ? { value, timestamp: at } : value
}

function bytesOf(...parts: readonly (string | number)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'string') return Buffer.from(part)
      const long = Buffer.alloc(8)
      long.writeBigInt64BE(BigInt(part))
      return long
    }),
  )
}

function isWithin(key: string, [from, to]: Read['keys']): boolean {
  return (from === null || Buffer.compare(bytesOf(key), bytesOf(from)) >= 0) && (to === null || Buffer.compare(bytesOf(key), bytesOf(to)) <= 0)
}

class KeyValues implements StoreModel {
  readonly spec: KeptStore
  readonly #rows = new Map<string, unknown>()

  constructor(spec: KeptStore) {
    this.spec = spec
  }

  write(store: KeyValueStore<string, unknown>, write: Write): void {
    const { key, length } = write
    const value = kept(this.spec, write)
    const second = `${key}+`
    if (length === 0) store.put(key, value)
    else
      store.putAll([
        [key, null],
        [second, value],
        [key, value],
      ])
    for (const one of length === 0 ? [key] : [key, second]) {
      if (value === null) this.#rows.delete(one)
      else this.#rows.set(one, value)
    }
  }

  reads(store: KeyValueStore<string, unknown>, { keys, backward: reverse }: Read): readonly ModelledRead[] {
    const [from, to] = keys
    const prefix = from ?? 'a'
    const rows = (wanted: (key: string) => boolean, isReversed: boolean) => () => {
      const found = [...this.#rows].filter(([key]) => wanted(key)).sort(([a], [b]) => Buffer.compare(bytesOf(a), bytesOf(b)))
      return isReversed ? found.reverse() : found
    }
    const inRange = (key: string) => isWithin(key, keys)
    const isSnapshot = true
    return [
      { name: 'get', rows: () => [store.get(prefix)], expected: () => [this.#rows.get(prefix) ?? null], isSnapshot: false },
      { name: 'range', rows: () => store.range(from, to, { reverse }), expected: rows(inRange, reverse), isSnapshot },
      { name: 'reverseRange', rows: () => store.reverseRange(from, to), expected: rows(inRange, true), isSnapshot },
      { name: 'all', rows: () => store.all({ reverse }), expected: rows(() => true, reverse), isSnapshot },
      { name: 'reverseAll', rows: () => store.reverseAll(), expected: rows(() => true, true), isSnapshot },
      { name: 'prefixScan', rows: () => store.prefixScan(prefix, text), expected: rows((key) => key.startsWith(prefix), false), isSnapshot },
    ]
  }
}

interface TimedRow {
  readonly key: string
  readonly start: number
  readonly end: number
  readonly sequence: number
  readonly value: unknown
}

/** Rows of windows or sessions, with a retention. */
abstract class Timed implements StoreModel {
  readonly spec: KeptStore
  #rows: readonly TimedRow[] = []
  #streamTime = -1

  constructor(spec: KeptStore) {
    this.spec = spec
  }

  abstract write(store: StateStore, write: Write): void
  abstract reads(store: StateStore, read: Read): readonly ModelledRead[]
  /** The time of a row: the start of a window, or the end of a session. */
  protected abstract timeOf(row: TimedRow): number
  protected abstract bytesOfRow(row: TimedRow): Buffer

  protected put(row: TimedRow): void {
    this.#streamTime = Math.max(this.#streamTime, this.timeOf(row))
    if (this.#segmentOf(this.timeOf(row)) < this.#segmentOf(this.#streamTime - retentionMs)) return
    const bytes = this.bytesOfRow(row)
    const others = this.#rows.filter((other) => Buffer.compare(this.bytesOfRow(other), bytes) !== 0)
    this.#rows = row.value === null ? others : [...others, row]
  }

  protected found(wanted: (row: TimedRow) => boolean, backward: boolean): readonly TimedRow[] {
    const oldest = this.#streamTime - retentionMs + (this.spec.timeOrdered && this.spec.kind === 'window' ? 0 : 1)
    const order = (row: TimedRow) => Buffer.concat([bytesOf(this.#segmentOf(this.timeOf(row))), this.bytesOfRow(row)])
    const found = this.#rows.filter((row) => this.timeOf(row) >= oldest && wanted(row)).sort((a, b) => Buffer.compare(order(a), order(b)))
    return backward ? found.reverse() : found
  }

  #segmentOf(time: number): number {
    return Math.floor(time / 60_000)
  }
}

class Windows extends Timed {
  #sequence = 0

  write(store: WindowStore<string, unknown>, write: Write): void {
    const { key, at } = write
    const value = kept(this.spec, write)
    store.put(key, value, at)
    const duplicates = this.spec.retainDuplicates === true
    if (duplicates) this.#sequence++
    if (!duplicates || value !== null) this.put({ key, start: at, end: at + windowSizeMs, sequence: this.#sequence, value })
  }

  reads(store: WindowStore<string, unknown>, { keys, times, backward }: Read): readonly ModelledRead[] {
    const [[from, to], [low, high]] = [keys, times]
    const key = from ?? 'a'
    const inTime = ({ start }: TimedRow) => start >= low && start <= high
    const windows = (wanted: (row: TimedRow) => boolean) => () =>
      this.found(wanted, backward).map(({ key, start, end, value }) => [{ key, window: { start, end } }, value])
    const ofKey = () => this.found((row) => row.key === key && inTime(row), backward).map(({ start, value }) => [start, value])
    const point = () => [this.found((row) => row.key === key && row.start === low, false)[0]?.value ?? null]
    const way = backward ? ('backward' as const) : ('forward' as const)
    const ways = {
      forward: {
        ofKey: () => store.fetch(key, low, high),
        ofKeys: () => store.fetch(from, to, low, high),
        ofAll: () => store.fetchAll(low, high),
        all: () => store.all(),
      },
      backward: {
        ofKey: () => store.backwardFetch(key, low, high),
        ofKeys: () => store.backwardFetch(from, to, low, high),
        ofAll: () => store.backwardFetchAll(low, high),
        all: () => store.backwardAll(),
      },
    }[way]
    const isOne = this.spec.retainDuplicates !== true
    return [
      ...(isOne ? [{ name: 'fetch of a window', rows: () => [store.fetch(key, low)], expected: point, isSnapshot: false }] : []),
      { name: `${way} fetch of a key`, rows: ways.ofKey, expected: ofKey, isSnapshot: false },
      { name: `${way} fetch of keys`, rows: ways.ofKeys, expected: windows((row) => isWithin(row.key, keys) && inTime(row)), isSnapshot: false },
      { name: `${way} fetchAll`, rows: ways.ofAll, expected: windows(inTime), isSnapshot: true },
      { name: `${way} all`, rows: ways.all, expected: windows(() => true), isSnapshot: true },
    ]
  }

  protected timeOf({ start }: TimedRow): number {
    return start
  }

  protected bytesOfRow({ key, start, sequence }: TimedRow): Buffer {
    // Four bytes, shorter than a time, which has eight. After a key that ends in zeros, the order depends on these bytes.
    const last = Buffer.alloc(4)
    last.writeInt32BE(sequence)
    return Buffer.concat([this.spec.timeOrdered ? bytesOf(start, key) : bytesOf(key, start), last])
  }
}

class Sessions extends Timed {
  write(store: SessionStore<string, unknown>, { key, at: start, length, value }: Write): void {
    const end = start + length
    store.put({ key, window: { start, end } }, value)
    this.put({ key, start, end, sequence: 0, value })
  }

  reads(store: SessionStore<string, unknown>, { keys, times, backward }: Read): readonly ModelledRead[] {
    const [[from, to], [earliestEnd, latestStart]] = [keys, times]
    const key = from ?? 'a'
    const inTime = ({ start, end }: TimedRow) => end >= earliestEnd && start <= latestStart
    const sessions = (wanted: (row: TimedRow) => boolean) => () =>
      this.found(wanted, backward).map(({ key, start, end, value }): [Windowed<string>, unknown] => [{ key, window: { start, end } }, value])
    const one = () => [this.found((row) => row.key === key && row.start === earliestEnd && row.end === earliestEnd + 15_000, false)[0]?.value ?? null]
    const way = backward ? ('backward' as const) : ('forward' as const)
    const ways = {
      forward: {
        ofKey: () => store.fetch(key),
        ofKeys: () => store.fetch(from, to),
        found: () => store.findSessions(key, earliestEnd, latestStart),
        foundOfKeys: () => store.findSessions(from, to, earliestEnd, latestStart),
      },
      backward: {
        ofKey: () => store.backwardFetch(key),
        ofKeys: () => store.backwardFetch(from, to),
        found: () => store.backwardFindSessions(key, earliestEnd, latestStart),
        foundOfKeys: () => store.backwardFindSessions(from, to, earliestEnd, latestStart),
      },
    }[way]
    const isSnapshot = from === null && to === null
    return [
      { name: 'fetchSession', rows: () => [store.fetchSession(key, earliestEnd, earliestEnd + 15_000)], expected: one, isSnapshot: false },
      { name: `${way} fetch of a key`, rows: ways.ofKey, expected: sessions((row) => row.key === key), isSnapshot: false },
      { name: `${way} fetch of keys`, rows: ways.ofKeys, expected: sessions((row) => isWithin(row.key, keys)), isSnapshot },
      { name: `${way} findSessions of a key`, rows: ways.found, expected: sessions((row) => row.key === key && inTime(row)), isSnapshot: false },
      {
        name: `${way} findSessions of keys`,
        rows: ways.foundOfKeys,
        expected: sessions((row) => isWithin(row.key, keys) && inTime(row)),
        isSnapshot,
      },
    ]
  }

  protected timeOf({ end }: TimedRow): number {
    return end
  }

  protected bytesOfRow({ key, start, end }: TimedRow): Buffer {
    return this.spec.timeOrdered ? bytesOf(end, start, key) : bytesOf(key, end, start)
  }
}

interface ModelledVersion {
  readonly value: string | null
  readonly timestamp: number
  readonly validTo: number | null
}

class Versions implements StoreModel {
  readonly spec: KeptStore
  readonly #versions = new Map<string, Map<number, string | null>>()
  #streamTime = -1

  constructor(spec: KeptStore) {
    this.spec = spec
  }

  write(store: VersionedKeyValueStore<string, string>, { key, at, length, value }: Write): void {
    const versions = this.#versions.get(key) ?? new Map<number, string | null>()
    this.#versions.set(key, versions)
    // Kafka Streams, and therefore Waggle, may forget a deletion that replaces a value of the same time.
    if (value === null && typeof versions.get(at) === 'string') return
    const isExpired = at < this.#streamTime - historyRetentionMs
    if (value === null && length > 0) {
      const before = isExpired ? null : this.#validAt(key, at)
      assert.deepEqual(store.delete(key, at), before, 'delete')
    } else store.put(key, value, at)
    if (isExpired) return
    this.#streamTime = Math.max(this.#streamTime, at)
    versions.set(at, value)
  }

  reads(store: VersionedKeyValueStore<string, string>, { keys, times: [from, to], backward }: Read): readonly ModelledRead[] {
    const key = keys[0] ?? 'a'
    if (!(store instanceof SegmentedVersionedStore)) throw new TypeError('The store keeps no versions')
    const versions = () => store.versions(key, { from, to, oldestFirst: !backward })
    const latest = () => {
      const last = this.#of(key).at(-1)
      return [last === undefined || last.value === null ? null : last]
    }
    return [
      { name: 'get', rows: () => [store.get(key)], expected: latest, isSnapshot: false },
      { name: 'get as of a time', rows: () => [store.get(key, from)], expected: () => [this.#validAt(key, from)], isSnapshot: false },
      { name: 'versions', rows: versions, expected: () => this.#between(key, from, to, backward), isSnapshot: false },
    ]
  }

  /** All versions of a key, the oldest first. */
  #of(key: string): readonly ModelledVersion[] {
    const versions = [...(this.#versions.get(key) ?? [])].sort(([a], [b]) => a - b)
    return versions.map(([timestamp, value], at) => ({ value, timestamp, validTo: versions[at + 1]?.[0] ?? null }))
  }

  #validAt(key: string, at: number): ModelledVersion | null {
    const found = this.#of(key).findLast(({ timestamp }) => timestamp <= at)
    const isExpired = at < this.#streamTime - historyRetentionMs && found?.validTo !== null
    return found === undefined || found.value === null || isExpired ? null : found
  }

  #between(key: string, from: number, to: number, newestFirst: boolean): readonly ModelledVersion[] {
    const isExpired = to < this.#streamTime - historyRetentionMs
    const live = Math.floor((this.#streamTime - historyRetentionMs) / versionSegmentMs)
    const found = this.#of(key).filter(({ value, timestamp, validTo }) => {
      if (value === null || timestamp > to) return false
      return validTo === null || (!isExpired && validTo > from && Math.floor(validTo / versionSegmentMs) >= live)
    })
    return newestFirst ? found.toReversed() : found
  }
}
