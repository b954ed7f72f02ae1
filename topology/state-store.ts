import type { Header, KeyValue, Windowed } from './record.ts'
import type { AnySerde, Serde, Serializer } from './serde.ts'
import { WaggleError } from './waggle-error.ts'

export interface StateStore {
  readonly name: string
  readonly persistent: boolean
}

/** A store of values by key. Iteration is in the order of the keys' bytes. Bounds are inclusive; null is an open one. */
export interface KeyValueStore<K, V> extends StateStore {
  get(key: K): V | null
  put(key: K, value: V | null): void
  putIfAbsent(key: K, value: V): V | null
  delete(key: K): V | null
  range(from: K | null, to: K | null, options?: { reverse?: boolean }): Iterable<KeyValue<K, V>>
  all(options?: { reverse?: boolean }): Iterable<KeyValue<K, V>>
  prefixScan<P>(prefix: P, serializer: Serializer<P>): Iterable<KeyValue<K, V>>
  readonly approximateNumEntries: number
}

export interface WindowStore<K, V> extends StateStore {
  put(key: K, value: V | null, windowStart: number): void
  fetch(key: K, windowStart: number): V | null
  fetch(key: K, from: number, to: number): Iterable<KeyValue<number, V>>
  fetchAll(from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
}

export interface SessionStore<K, V> extends StateStore {
  put(session: Windowed<K>, value: V | null): void
  fetch(key: K): Iterable<KeyValue<Windowed<K>, V>>
  findSessions(key: K, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>>
}

export interface ValueAndTimestamp<V> {
  readonly value: V
  readonly timestamp: number
}

/** A store of every version of a key that was valid within the history's retention (KIP-889). */
export interface VersionedKeyValueStore<K, V> extends StateStore {
  /** The latest version, or the version that was valid at `asOf`; null where there was none, or where the history no longer has it. */
  get(key: K, asOf?: number): (ValueAndTimestamp<V> & { readonly validTo: number | null }) | null
  /** Adds a version. A version older than the history is ignored. */
  put(key: K, value: V | null, timestamp: number): void
}

export type StoreKind = 'keyValue' | 'window' | 'session' | 'versioned'
/** Whether a store has a changelog. False: its rows are lost with its task. An object: settings of the changelog topic. */
export type Logging = boolean | { readonly [setting: string]: string }

/** A store with its name, made anew for each task. The engine opens stores of `Stores`; other builders make theirs with `build`. */
export interface StoreBuilder<out S extends StateStore> {
  readonly name: string
  build(): S
}

/** Everything that the engine needs to open a store for a task. */
export interface KeptStore {
  readonly name: string
  readonly kind: StoreKind
  readonly key: AnySerde
  readonly value: AnySerde
  readonly persistent: boolean
  readonly logging: Logging
  /** Windows and sessions that ended longer before the newest one may be dropped, in ms. Null: they are kept for good. */
  readonly retentionMs: number | null
  /** Size of the windows of a window store. */
  readonly windowSizeMs?: number
  /** The store has several values for one key and window start (the buffers of stream joins). */
  readonly retainDuplicates?: boolean
  /** Iteration is by window start and then by key. Without it, by key first. */
  readonly timeOrdered?: boolean
  /** The values are `ValueAndTimestamp`s. */
  readonly timestamped?: boolean
  /** The store of a table whose updates wait in the cache, if there is one, until it is flushed. */
  readonly cached?: boolean
  /** The store lists work still to be done. If a commit is not atomic, its removals are written after the rest of the commit. */
  readonly removedLast?: boolean
  /** Headers of each changelog record that holds a value. */
  readonly changelogHeaders?: readonly Header[]
  /** The topic that stands in for the changelog: the store is that topic's table. */
  readonly sourceTopic?: string
}

/** A store that its user makes. Its rows are lost with its task: the engine cannot read them. */
export interface CustomStore {
  readonly name: string
  readonly kind: 'custom'
  build(): StateStore
}

export type StoreSpec = KeptStore | CustomStore

/** The type under which users name a kept store. */
export function builderOf<S extends StateStore>(store: KeptStore): KeptStore & StoreBuilder<S> {
  return {
    ...store,
    build() {
      throw new WaggleError('WAGGLE_STORE_NOT_OPEN', {
        message: `The store ${store.name} is opened by the task that uses it`,
        next: 'Ask for it in a processor, with getStateStore, or of a TopologyTestDriver.',
      })
    },
  }
}

export interface KeyValueStoreOptions<K, V> {
  readonly name: string
  readonly key: Serde<K>
  readonly value: Serde<V>
  readonly persistent?: boolean
  readonly logging?: Logging
}

export function keyValueStore<K, V>(options: KeyValueStoreOptions<K, V>): KeptStore & StoreBuilder<KeyValueStore<K, V>> {
  return builderOf({
    name: options.name,
    kind: 'keyValue',
    key: options.key,
    value: options.value,
    persistent: options.persistent ?? true,
    logging: options.logging ?? true,
    retentionMs: null,
  })
}
