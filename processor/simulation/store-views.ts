import { partitionForKey } from '../../topology/partitioner.ts'
import type { KeyValue, Windowed } from '../../topology/record.ts'
import type { Serializer } from '../../topology/serde.ts'
import type {
  KeptStore,
  KeyValueStore,
  SessionStore,
  StateStore,
  ValueAndTimestamp,
  VersionedKeyValueStore,
  VersionedRecord,
  WindowStore,
} from '../../topology/state-store.ts'
import { aBoolean, aNumber, anything, aSerde, guard, listOf, optionsOf, parameters } from '../../topology/streams/argument-kinds.ts'

/**
 * A view of a store over the partitions of all of a driver's tasks. The view returns plain values, even if the engine stores timestamps beside the
 * values, as Kafka Streams' driver does.
 */
abstract class StoreView<S extends StateStore, K, V> implements StateStore {
  readonly name: string
  readonly persistent: boolean
  protected readonly stores: readonly S[]
  readonly #spec: KeptStore

  constructor(spec: KeptStore, stores: readonly S[]) {
    this.name = spec.name
    this.persistent = spec.persistent
    this.stores = stores
    this.#spec = spec
  }

  /** The store of the partition that a key belongs to. */
  protected storeOf(key: K): S {
    const store = this.stores[partitionForKey(this.#bytesOf(key), this.stores.length)]
    if (store === undefined) throw new RangeError(`${this.name} has no partitions`)
    return store
  }

  protected plain(row: unknown): V | null {
    return (this.#spec.timestamped && row !== null ? (row as ValueAndTimestamp<V>).value : row) as V | null
  }

  /** The value as the engine stores it. A value that a test writes has no timestamp. */
  protected kept(value: V | null): never {
    return (this.#spec.timestamped && value !== null ? { value, timestamp: -1 } : value) as never
  }

  /** Rows of all partitions, in the order of the keys' bytes. */
  protected *merged<Key>(
    rows: readonly Iterable<readonly [Key, unknown]>[],
    keyOf: (key: Key) => K,
    reverse = false,
  ): IterableIterator<KeyValue<Key, V>> {
    const all = rows.flatMap((one) => [...one])
    if (this.stores.length > 1) all.sort(([a], [b]) => (reverse ? -1 : 1) * Buffer.compare(this.#bytesOf(keyOf(a)), this.#bytesOf(keyOf(b))))
    for (const [key, row] of all) yield [key, this.plain(row) as V]
  }

  #bytesOf(key: K): Uint8Array {
    return (this.#spec.key as unknown as Serializer<K>).serialize(this.name, key)
  }
}

type AnyKeyValueStore = KeyValueStore<unknown, unknown>

export class KeyValueView<K, V> extends StoreView<AnyKeyValueStore, K, V> implements KeyValueStore<K, V> {
  get(key: K): V | null {
    return this.plain(this.storeOf(key).get(key))
  }

  put(key: K, value: V | null): void {
    this.storeOf(key).put(key, this.kept(value))
  }

  putAll(entries: Iterable<KeyValue<K, V | null>>): void {
    for (const [key, value] of entries) this.put(key, value)
  }

  putIfAbsent(key: K, value: V): V | null {
    return this.plain(this.storeOf(key).putIfAbsent(key, this.kept(value)))
  }

  delete(key: K): V | null {
    return this.plain(this.storeOf(key).delete(key))
  }

  range(from: K | null, to: K | null, options: { reverse?: boolean } = {}): Iterable<KeyValue<K, V>> {
    return this.#rows((store) => store.range(from, to, options), options.reverse)
  }

  all(options: { reverse?: boolean } = {}): Iterable<KeyValue<K, V>> {
    return this.#rows((store) => store.all(options), options.reverse)
  }

  reverseRange(from: K | null, to: K | null): Iterable<KeyValue<K, V>> {
    return this.range(from, to, { reverse: true })
  }

  reverseAll(): Iterable<KeyValue<K, V>> {
    return this.all({ reverse: true })
  }

  prefixScan<P>(prefix: P, serializer: Serializer<P>): Iterable<KeyValue<K, V>> {
    return this.#rows((store) => store.prefixScan(prefix, serializer))
  }

  get approximateNumEntries(): number {
    return this.stores.reduce((sum, store) => sum + store.approximateNumEntries, 0)
  }

  #rows(read: (store: AnyKeyValueStore) => Iterable<KeyValue<unknown, unknown>>, reverse = false): Iterable<KeyValue<K, V>> {
    return this.merged(
      this.stores.map((store) => read(store) as Iterable<KeyValue<K, unknown>>),
      (key) => key,
      reverse,
    )
  }
}

export class VersionedView<K, V> extends StoreView<VersionedKeyValueStore<unknown, unknown>, K, V> implements VersionedKeyValueStore<K, V> {
  get(key: K, asOf?: number): VersionedRecord<V> | null {
    return this.storeOf(key).get(key, asOf) as VersionedRecord<V> | null
  }

  put(key: K, value: V | null, timestamp: number): void {
    this.storeOf(key).put(key, value, timestamp)
  }

  delete(key: K, timestamp: number): VersionedRecord<V> | null {
    return this.storeOf(key).delete(key, timestamp) as VersionedRecord<V> | null
  }
}

export class WindowView<K, V> extends StoreView<WindowStore<unknown, unknown>, K, V> implements WindowStore<K, V> {
  put(key: K, value: V | null, windowStart: number): void {
    this.storeOf(key).put(key, this.kept(value), windowStart)
  }

  fetch(key: K, windowStart: number): V | null
  fetch(key: K, from: number, to: number): Iterable<KeyValue<number, V>>
  fetch(keyFrom: K | null, keyTo: K | null, from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
  fetch(...asked: [key: K, windowStart: number] | OfKey<K> | OfKeys<K>): V | null | Iterable<KeyValue<number | Windowed<K>, V>> {
    if (asked.length === 4) return this.#rows((store) => store.fetch(...asked))
    const store = this.storeOf(asked[0])
    return asked.length === 2 ? this.plain(store.fetch(...asked)) : this.#ofKey(store.fetch(...asked))
  }

  backwardFetch(key: K, from: number, to: number): Iterable<KeyValue<number, V>>
  backwardFetch(keyFrom: K | null, keyTo: K | null, from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
  backwardFetch(...asked: OfKey<K> | OfKeys<K>): Iterable<KeyValue<number | Windowed<K>, V>> {
    if (asked.length === 4) return this.#rows((store) => store.backwardFetch(...asked), true)
    return this.#ofKey(this.storeOf(asked[0]).backwardFetch(...asked))
  }

  fetchAll(from: number, to: number): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#rows((store) => store.fetchAll(from, to))
  }

  backwardFetchAll(from: number, to: number): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#rows((store) => store.backwardFetchAll(from, to), true)
  }

  all(): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#rows((store) => store.all())
  }

  backwardAll(): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#rows((store) => store.backwardAll(), true)
  }

  #ofKey(rows: Iterable<KeyValue<number, unknown>>): Iterable<KeyValue<number, V>> {
    return [...rows].map(([start, row]) => [start, this.plain(row) as V] as const)
  }

  #rows(
    read: (store: WindowStore<unknown, unknown>) => Iterable<KeyValue<Windowed<unknown>, unknown>>,
    reverse = false,
  ): Iterable<KeyValue<Windowed<K>, V>> {
    const rows = this.stores.map((store) => read(store) as Iterable<KeyValue<Windowed<K>, unknown>>)
    return this.merged(rows, ({ key }) => key, reverse)
  }
}

export class SessionView<K, V> extends StoreView<SessionStore<unknown, unknown>, K, V> implements SessionStore<K, V> {
  put(session: Windowed<K>, value: V | null): void {
    this.storeOf(session.key).put(session, this.kept(value))
  }

  fetchSession(key: K, start: number, end: number): V | null {
    return this.plain(this.storeOf(key).fetchSession(key, start, end))
  }

  fetch(key: K): Iterable<KeyValue<Windowed<K>, V>>
  fetch(keyFrom: K | null, keyTo: K | null): Iterable<KeyValue<Windowed<K>, V>>
  fetch(...keys: [key: K] | [keyFrom: K | null, keyTo: K | null]): Iterable<KeyValue<Windowed<K>, V>> {
    if (keys.length === 1) return this.#rows([this.storeOf(keys[0]).fetch(keys[0])])
    return this.#rows(this.stores.map((store) => store.fetch(...keys)))
  }

  backwardFetch(key: K): Iterable<KeyValue<Windowed<K>, V>>
  backwardFetch(keyFrom: K | null, keyTo: K | null): Iterable<KeyValue<Windowed<K>, V>>
  backwardFetch(...keys: [key: K] | [keyFrom: K | null, keyTo: K | null]): Iterable<KeyValue<Windowed<K>, V>> {
    if (keys.length === 1) return this.#rows([this.storeOf(keys[0]).backwardFetch(keys[0])])
    return this.#rows(
      this.stores.map((store) => store.backwardFetch(...keys)),
      true,
    )
  }

  findSessions(key: K, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>>
  findSessions(keyFrom: K | null, keyTo: K | null, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>>
  findSessions(...asked: OfKey<K> | OfKeys<K>): Iterable<KeyValue<Windowed<K>, V>> {
    if (asked.length === 3) return this.#rows([this.storeOf(asked[0]).findSessions(...asked)])
    return this.#rows(this.stores.map((store) => store.findSessions(...asked)))
  }

  backwardFindSessions(key: K, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>>
  backwardFindSessions(keyFrom: K | null, keyTo: K | null, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>>
  backwardFindSessions(...asked: OfKey<K> | OfKeys<K>): Iterable<KeyValue<Windowed<K>, V>> {
    if (asked.length === 3) return this.#rows([this.storeOf(asked[0]).backwardFindSessions(...asked)])
    return this.#rows(
      this.stores.map((store) => store.backwardFindSessions(...asked)),
      true,
    )
  }

  #rows(rows: readonly Iterable<KeyValue<Windowed<unknown>, unknown>>[], reverse = false): Iterable<KeyValue<Windowed<K>, V>> {
    return this.merged(rows as readonly Iterable<KeyValue<Windowed<K>, unknown>>[], ({ key }) => key, reverse)
  }
}

/** The arguments for reading one key. */
type OfKey<K> = [key: K, from: number, to: number]
/** The arguments for reading a range of keys. */
type OfKeys<K> = [keyFrom: K | null, keyTo: K | null, from: number, to: number]

// These checks are only here. A store in a processor has no such checks, because it is called for each record. There, an error of the store is the
// failure of the record.
const keyAndTime = parameters({ key: anything, timestamp: aNumber })
const span = parameters({ from: aNumber, to: aNumber })
const spanOfKey = parameters({ key: anything, from: aNumber, to: aNumber })
const spanOfKeys = parameters({ keyFrom: anything, keyTo: anything, from: aNumber, to: aNumber })
const spans = (args: readonly unknown[]) => (args.length > 3 ? spanOfKeys : spanOfKey)
const options = optionsOf({ reverse: aBoolean })
guard(KeyValueView.prototype, 'KeyValueStore', {
  putAll: parameters({ entries: listOf('pairs [key, value]', listOf('a key and a value', anything)) }),
  range: parameters({ from: anything, to: anything, 'options?': options }),
  all: parameters({ 'options?': options }),
  prefixScan: parameters({ prefix: anything, serializer: aSerde }),
})
guard(VersionedView.prototype, 'VersionedKeyValueStore', {
  get: parameters({ key: anything, 'asOf?': aNumber }),
  put: parameters({ key: anything, value: anything, timestamp: aNumber }),
  delete: keyAndTime,
})
guard(WindowView.prototype, 'WindowStore', {
  put: parameters({ key: anything, value: anything, windowStart: aNumber }),
  fetch: (args) => (args.length < 3 ? keyAndTime : spans(args)),
  backwardFetch: spans,
  fetchAll: span,
  backwardFetchAll: span,
})
const session = optionsOf({ key: anything, window: optionsOf({ start: aNumber, end: aNumber }, ['start', 'end']) }, ['window'])
guard(SessionView.prototype, 'SessionStore', {
  put: parameters({ session, value: anything }),
  fetchSession: spanOfKey,
  findSessions: spans,
  backwardFindSessions: spans,
})
