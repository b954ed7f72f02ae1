import type { Header, KeyValue, Windowed } from './record.ts'
import type { AnySerde, Serde, Serializer } from './serde.ts'
import { WaggleError } from './waggle-error.ts'

export interface StateStore {
  readonly name: string
  readonly persistent: boolean
}

/** Iteration is in the order of the keys' bytes. Bounds are inclusive; null is an open one. */
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

/** Kept per key: every version that was valid within the history's retention (KIP-889). */
export interface VersionedKeyValueStore<K, V> extends StateStore {
  /** The latest version, or the one that was valid at `asOf`; null where there was none, or where it is too long ago. */
  get(key: K, asOf?: number): (ValueAndTimestamp<V> & { readonly validTo: number | null }) | null
  /** Ignored where it is older than what is kept. */
  put(key: K, value: V | null, timestamp: number): void
}

export type StoreKind = 'keyValue' | 'window' | 'session' | 'versioned'
/** false: lost with its task; an object: settings of the changelog topic. */
export type Logging = boolean | { readonly [setting: string]: string }

/** A store by its name, made anew for each task. Those of `Stores` are opened by the engine; any other's `build` makes a store of its own. */
export interface StoreBuilder<out S extends StateStore> {
  readonly name: string
  build(): S
}

/** What a topology says of a store that the engine keeps: everything that it needs to open one for a task. */
export interface KeptStore {
  readonly name: string
  readonly kind: StoreKind
  readonly key: AnySerde
  readonly value: AnySerde
  readonly persistent: boolean
  readonly logging: Logging
  /** Windows and sessions that ended this long before the newest one may be dropped. Null: kept for good. */
  readonly retentionMs: number | null
  /** Of a window store. */
  readonly windowSizeMs?: number
  /** Several values for one key and window start (the buffers of stream joins). */
  readonly retainDuplicates?: boolean
  /** Iterated by window start and then by key, where the other order is by key first. */
  readonly timeOrdered?: boolean
  /** Its values are `ValueAndTimestamp`s. */
  readonly timestamped?: boolean
  /** Of a table: where there is a cache, its updates go on when it is flushed. */
  readonly cached?: boolean
  /** It says what is still to be done: where a commit is not atomic, what is removed from it is removed when all the rest of the commit is there. */
  readonly removedLast?: boolean
  /** Of each record in its changelog that holds a value. */
  readonly changelogHeaders?: readonly Header[]
  /** The topic that it is the table of, where that stands for a changelog. */
  readonly sourceTopic?: string
}

/** A store that its user makes: gone with its task, since nobody else knows what is in it. */
export interface CustomStore {
  readonly name: string
  readonly kind: 'custom'
  build(): StateStore
}

export type StoreSpec = KeptStore | CustomStore

/** A kept store as its users name it. */
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
