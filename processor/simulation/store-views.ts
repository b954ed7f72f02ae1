import type { KeyValue, Windowed } from '../../topology/record.ts'
import type { Serializer } from '../../topology/serde.ts'
import type { KeptStore, KeyValueStore, SessionStore, StateStore, ValueAndTimestamp, WindowStore } from '../../topology/state-store.ts'
import { partitionForKey } from '../partitioner.ts'

/**
 * A view of a store over all partitions of a driver's tasks. It shows plain values where the engine keeps timestamps beside them, as Kafka Streams'
 * driver does.
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

  /** The value as the engine keeps it. A value that is written from outside has no timestamp. */
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

export class WindowView<K, V> extends StoreView<WindowStore<unknown, unknown>, K, V> implements WindowStore<K, V> {
  put(key: K, value: V | null, windowStart: number): void {
    this.storeOf(key).put(key, this.kept(value), windowStart)
  }

  fetch(key: K, windowStart: number): V | null
  fetch(key: K, from: number, to: number): Iterable<KeyValue<number, V>>
  fetch(key: K, from: number, to?: number): V | null | Iterable<KeyValue<number, V>> {
    const store = this.storeOf(key)
    if (to === undefined) return this.plain(store.fetch(key, from))
    return [...store.fetch(key, from, to)].map(([start, row]) => [start, this.plain(row) as V] as const)
  }

  fetchAll(from: number, to: number): Iterable<KeyValue<Windowed<K>, V>> {
    const rows = this.stores.map((store) => store.fetchAll(from, to) as Iterable<KeyValue<Windowed<K>, unknown>>)
    return this.merged(rows, ({ key }) => key)
  }
}

export class SessionView<K, V> extends StoreView<SessionStore<unknown, unknown>, K, V> implements SessionStore<K, V> {
  put(session: Windowed<K>, value: V | null): void {
    this.storeOf(session.key).put(session, this.kept(value))
  }

  fetch(key: K): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#rows(this.storeOf(key).fetch(key))
  }

  findSessions(key: K, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>> {
    return this.#rows(this.storeOf(key).findSessions(key, earliestEnd, latestStart))
  }

  #rows(rows: Iterable<KeyValue<Windowed<unknown>, unknown>>): Iterable<KeyValue<Windowed<K>, V>> {
    return [...rows].map(([session, row]) => [session as Windowed<K>, this.plain(row) as V] as const)
  }
}
