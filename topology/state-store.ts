import type { Header, KeyValue, Windowed } from './record.ts'
import type { AnySerde, Serde, Serializer } from './serde.ts'
import { WaggleError } from './waggle-error.ts'

export interface StateStore {
  readonly name: string
  readonly persistent: boolean
}

/** A store of values by key. Iteration is in the order of the keys' bytes. Bounds are inclusive; null means no bound. */
export interface KeyValueStore<K, V> extends StateStore {
  get(key: K): V | null
  put(key: K, value: V | null): void
  /**
   * Puts each entry, in order; null deletes. If a key is invalid or a value is `undefined`, nothing is put.
   *
   * @example
   * ```ts
   * declare const store: KeyValueStore<string, number>
   * store.putAll([['anna', 1], ['ben', null]])
   * ```
   */
  putAll(entries: Iterable<KeyValue<K, V | null>>): void
  putIfAbsent(key: K, value: V): V | null
  delete(key: K): V | null
  range(from: K | null, to: K | null, options?: { reverse?: boolean }): Iterable<KeyValue<K, V>>
  /**
   * Returns the entries from `from` to `to`, the last key first (KIP-617): `range(from, to, { reverse: true })` under Java's name.
   *
   * @example
   * ```ts
   * declare const store: KeyValueStore<string, number>
   * for (const [key, value] of store.reverseRange('a', 'f')) console.log(key, value)
   * ```
   */
  reverseRange(from: K | null, to: K | null): Iterable<KeyValue<K, V>>
  all(options?: { reverse?: boolean }): Iterable<KeyValue<K, V>>
  /**
   * Returns all entries, the last key first (KIP-617): `all({ reverse: true })` under Java's name.
   *
   * @example
   * ```ts
   * declare const store: KeyValueStore<string, number>
   * for (const [lastKey] of store.reverseAll()) {
   *   console.log(lastKey)
   *   break
   * }
   * ```
   */
  reverseAll(): Iterable<KeyValue<K, V>>
  prefixScan<P>(prefix: P, serializer: Serializer<P>): Iterable<KeyValue<K, V>>
  readonly approximateNumEntries: number
}

/**
 * A store of values by key and window. Windows are in the order of their segments of time, then of the keys' bytes, then of their starts. The
 * `backward` methods use the exact reverse. All bounds are inclusive, and a null key means no bound.
 */
export interface WindowStore<K, V> extends StateStore {
  put(key: K, value: V | null, windowStart: number): void
  fetch(key: K, windowStart: number): V | null
  fetch(key: K, from: number, to: number): Iterable<KeyValue<number, V>>
  /**
   * Returns the windows of the keys from `keyFrom` to `keyTo` that start between `from` and `to`.
   *
   * @example
   * ```ts
   * declare const store: WindowStore<string, number>
   * for (const [{ key, window }, value] of store.fetch('a', 'f', 0, 60_000)) console.log(key, window.start, value)
   * ```
   */
  fetch(keyFrom: K | null, keyTo: K | null, from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
  /**
   * Returns the same windows as `fetch`, the newest first (KIP-617).
   *
   * @example
   * ```ts
   * declare const store: WindowStore<string, number>
   * for (const [start, value] of store.backwardFetch('anna', 0, 60_000)) console.log(start, value)
   * ```
   */
  backwardFetch(key: K, from: number, to: number): Iterable<KeyValue<number, V>>
  backwardFetch(keyFrom: K | null, keyTo: K | null, from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
  fetchAll(from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
  /**
   * Returns the same windows as `fetchAll`, in reverse (KIP-617).
   *
   * @example
   * ```ts
   * declare const store: WindowStore<string, number>
   * for (const [{ key, window }] of store.backwardFetchAll(0, 60_000)) console.log(key, window.start)
   * ```
   */
  backwardFetchAll(from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
  /**
   * Returns all windows that are still kept.
   *
   * @example
   * ```ts
   * declare const store: WindowStore<string, number>
   * for (const [{ key, window }, value] of store.all()) console.log(key, window.start, value)
   * ```
   */
  all(): Iterable<KeyValue<Windowed<K>, V>>
  /**
   * Returns the same windows as `all`, in reverse (KIP-617).
   *
   * @example
   * ```ts
   * declare const store: WindowStore<string, number>
   * for (const [{ key, window }, value] of store.backwardAll()) console.log(key, window.start, value)
   * ```
   */
  backwardAll(): Iterable<KeyValue<Windowed<K>, V>>
}

/**
 * A store of values by key and session. Sessions are in the order of their segments of time, then of the keys' bytes, then of their ends and starts.
 * The `backward` methods use the exact reverse. All bounds are inclusive, and a null key means no bound.
 */
export interface SessionStore<K, V> extends StateStore {
  put(session: Windowed<K>, value: V | null): void
  /**
   * Returns the value of one session; null without such a session.
   *
   * @example
   * ```ts
   * declare const store: SessionStore<string, number>
   * console.log(store.fetchSession('anna', 0, 60_000))
   * ```
   */
  fetchSession(key: K, start: number, end: number): V | null
  fetch(key: K): Iterable<KeyValue<Windowed<K>, V>>
  /**
   * Returns the sessions of the keys from `keyFrom` to `keyTo`.
   *
   * @example
   * ```ts
   * declare const store: SessionStore<string, number>
   * for (const [{ key, window }, value] of store.fetch('a', null)) console.log(key, window.start, window.end, value)
   * ```
   */
  fetch(keyFrom: K | null, keyTo: K | null): Iterable<KeyValue<Windowed<K>, V>>
  /**
   * Returns the same sessions as `fetch`, in reverse (KIP-617).
   *
   * @example
   * ```ts
   * declare const store: SessionStore<string, number>
   * for (const [{ window }, value] of store.backwardFetch('anna')) console.log(window.end, value)
   * ```
   */
  backwardFetch(key: K): Iterable<KeyValue<Windowed<K>, V>>
  backwardFetch(keyFrom: K | null, keyTo: K | null): Iterable<KeyValue<Windowed<K>, V>>
  findSessions(key: K, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>>
  /**
   * Returns the sessions of the keys from `keyFrom` to `keyTo` that end at or after `earliestEnd` and start at or before `latestStart`.
   *
   * @example
   * ```ts
   * declare const store: SessionStore<string, number>
   * for (const [{ key, window }] of store.findSessions('a', 'f', 0, 60_000)) console.log(key, window.start, window.end)
   * ```
   */
  findSessions(keyFrom: K | null, keyTo: K | null, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>>
  /**
   * Returns the same sessions as `findSessions`, in reverse (KIP-617).
   *
   * @example
   * ```ts
   * declare const store: SessionStore<string, number>
   * for (const [{ window }] of store.backwardFindSessions('anna', 0, 60_000)) console.log(window.start, window.end)
   * ```
   */
  backwardFindSessions(key: K, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>>
  backwardFindSessions(keyFrom: K | null, keyTo: K | null, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>>
}

export interface ValueAndTimestamp<V> {
  readonly value: V
  readonly timestamp: number
}

/** A version of a key, valid from `timestamp` until `validTo` (KIP-889). `validTo` is exclusive. For the latest version `validTo` is null. */
export interface VersionedRecord<V> extends ValueAndTimestamp<V> {
  readonly validTo: number | null
}

/** A store of every version of a key that was valid within the history's retention (KIP-889). */
export interface VersionedKeyValueStore<K, V> extends StateStore {
  /** The latest version, or the version that was valid at `asOf`. Null if there was no such version, or if the history no longer contains it. */
  get(key: K, asOf?: number): VersionedRecord<V> | null
  /** Adds a version. A version older than the history is ignored. */
  put(key: K, value: V | null, timestamp: number): void
  /**
   * Finds the version that is valid at `timestamp`, and ends its validity at this time. Returns the version as it was before; null if there was none.
   * A time older than the history is ignored.
   *
   * @example
   * ```ts
   * declare const prices: VersionedKeyValueStore<string, number>
   * console.log(prices.delete('bread', 60_000)?.value)
   * ```
   */
  delete(key: K, timestamp: number): VersionedRecord<V> | null
}

export type StoreKind = 'keyValue' | 'window' | 'session' | 'versioned'
/**
 * The choice of a changelog for a store. True: the store has a changelog. False: the store's rows are lost with its task. An object: the settings of
 * the changelog topic.
 */
export type Logging = boolean | { readonly [setting: string]: string }

/** A named store that is created for each task. The engine opens the stores of `Stores`. Other builders create their store in `build`. */
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
  /** The time in ms after which windows and sessions may be dropped, counted back from the newest one. Null: they are never dropped. */
  readonly retentionMs: number | null
  readonly windowSizeMs?: number
  /** True if the store has several values for one key and window start (the buffers of stream joins). */
  readonly retainDuplicates?: boolean
  /** True: rows are iterated by window start, then by key. False: by key first. */
  readonly timeOrdered?: boolean
  /** True if the values are `ValueAndTimestamp`s. */
  readonly timestamped?: boolean
  /** True for the store of a table whose updates wait in a cache, if the thread has one. */
  readonly cached?: boolean
  /** True if the store lists unfinished work. If a commit is not atomic, the removals of this store are written last. */
  readonly removedLast?: boolean
  /** Headers of each changelog record that has a value. */
  readonly changelogHeaders?: readonly Header[]
  /** The topic that replaces the changelog: the store is the table of this topic. */
  readonly sourceTopic?: string
}

/** A store that its user implements. Its rows are lost with its task, because the engine cannot read them. */
export interface CustomStore {
  readonly name: string
  readonly kind: 'custom'
  build(): StateStore
}

export type StoreSpec = KeptStore | CustomStore

/** The type under which users name a store that the engine keeps. */
export function builderOf<S extends StateStore>(store: KeptStore): KeptStore & StoreBuilder<S> {
  return {
    ...store,
    build() {
      throw new WaggleError('WAGGLE_STORE_NOT_OPEN', {
        message: `The store ${store.name} is opened by the task that uses it`,
        next: 'Get the store in a processor, with getStateStore, or from a TopologyTestDriver.',
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
