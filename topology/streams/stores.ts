import type { AnySerde, Serde } from '../serde.ts'
import {
  builderOf,
  type KeptStore,
  type KeyValueStore,
  type SessionStore,
  type StateStore,
  type StoreBuilder,
  type StoreKind,
  type ValueAndTimestamp,
  type VersionedKeyValueStore,
  type WindowStore,
} from '../state-store.ts'
import { WaggleError } from '../waggle-error.ts'
import type { StoreOptions } from './materialized.ts'
import { timestamped } from './timestamped.ts'

/** A store without serdes: its name, its kind, and the settings of its kind. */
export interface StoreSupplier<out Kind extends StoreKind> {
  readonly name: string
  readonly kind: Kind
  /** False for a store that Kafka Streams keeps in memory. Waggle keeps the changes between two commits in memory for every store. */
  readonly persistent: boolean
  readonly retentionMs: number | null
  readonly windowSizeMs: number
  readonly retainDuplicates: boolean
}

interface WindowOptions {
  retentionMs: number
  windowSizeMs: number
  retainDuplicates?: boolean
}

/** The kinds of stores, and builders that give them serdes for processors. */
export const Stores = {
  /**
   * A store of values by key, on disk.
   *
   * @example
   * ```ts
   * Materialized.as<string, number, 'keyValue'>(Stores.persistentKeyValueStore('counts'), { keySerde: text, valueSerde: Serdes.long() })
   * ```
   */
  persistentKeyValueStore: (name: string) => supplier('keyValue', name, true),
  /**
   * A store of values by key, as `inMemoryKeyValueStore` of Kafka Streams. Waggle still writes the store's rows with the commit.
   *
   * @example
   * ```ts
   * Materialized.as<string, number, 'keyValue'>(Stores.inMemoryKeyValueStore('counts'), { keySerde: text, valueSerde: Serdes.long() })
   * ```
   */
  inMemoryKeyValueStore: (name: string) => supplier('keyValue', name, false),
  /**
   * A store of values by key and window, on disk. A window is kept for `retentionMs`, which is at least `windowSizeMs`.
   *
   * @example
   * ```ts
   * Stores.persistentWindowStore('minutes', { retentionMs: 3_600_000, windowSizeMs: 60_000 })
   * ```
   *
   * @remarks A join of streams needs `retainDuplicates`; an aggregation must not have it.
   */
  persistentWindowStore: (name: string, options: WindowOptions) => windowSupplier(name, true, options),
  /**
   * A store of values by key and window, as `inMemoryWindowStore` of Kafka Streams.
   *
   * @example
   * ```ts
   * Stores.inMemoryWindowStore('minutes', { retentionMs: 3_600_000, windowSizeMs: 60_000 })
   * ```
   */
  inMemoryWindowStore: (name: string, options: WindowOptions) => windowSupplier(name, false, options),
  /**
   * A store of values by key and session, on disk. A session is kept for `retentionMs` after its end.
   *
   * @example
   * ```ts
   * Stores.persistentSessionStore('sessions', { retentionMs: 3_600_000 })
   * ```
   */
  persistentSessionStore: (name: string, { retentionMs }: { retentionMs: number }) => supplier('session', name, true, { retentionMs }),
  /**
   * A store of values by key and session, as `inMemorySessionStore` of Kafka Streams.
   *
   * @example
   * ```ts
   * Stores.inMemorySessionStore('sessions', { retentionMs: 3_600_000 })
   * ```
   */
  inMemorySessionStore: (name: string, { retentionMs }: { retentionMs: number }) => supplier('session', name, false, { retentionMs }),
  /**
   * A store that keeps the versions of each key for `historyRetentionMs` (KIP-889). Joins with a grace look up the version at the record's time.
   *
   * @example
   * ```ts
   * builder.table('prices', Consumed.with(text, Serdes.double()), Materialized.as(Stores.persistentVersionedKeyValueStore('prices', { historyRetentionMs: 60_000 })))
   * ```
   *
   * @remarks An update that is older than the history is dropped. A versioned table cannot be suppressed or be global.
   */
  persistentVersionedKeyValueStore: (name: string, { historyRetentionMs }: { historyRetentionMs: number }) =>
    supplier('versioned', name, true, { retentionMs: historyRetentionMs }),
  /**
   * Describes a key-value store for processors, with its serdes.
   *
   * @example
   * ```ts
   * const seen = Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore('seen'), text, Serdes.long())
   * clicks.process<string, number>(() => ({ process() {} }), { stores: [seen] })
   * ```
   *
   * @remarks Only processors that name the store can use it. `logging: false` leaves out the changelog.
   */
  keyValueStoreBuilder: <K, V>(from: StoreSupplier<'keyValue'>, key: Serde<K>, value: Serde<V>, options: StoreOptions = {}) =>
    builder<KeyValueStore<K, V>>(from, key, value, options),
  /**
   * Describes a window store for processors, with its serdes.
   *
   * @example
   * ```ts
   * const from = Stores.persistentWindowStore('minutes', { retentionMs: 3_600_000, windowSizeMs: 60_000 })
   * builder.addStateStore(Stores.windowStoreBuilder(from, text, Serdes.long()))
   * ```
   */
  windowStoreBuilder: <K, V>(from: StoreSupplier<'window'>, key: Serde<K>, value: Serde<V>, options: StoreOptions = {}) =>
    builder<WindowStore<K, V>>(from, key, value, options),
  /**
   * Describes a session store for processors, with its serdes.
   *
   * @example
   * ```ts
   * builder.addStateStore(Stores.sessionStoreBuilder(Stores.persistentSessionStore('visits', { retentionMs: 3_600_000 }), text, Serdes.long()))
   * ```
   */
  sessionStoreBuilder: <K, V>(from: StoreSupplier<'session'>, key: Serde<K>, value: Serde<V>, options: StoreOptions = {}) =>
    builder<SessionStore<K, V>>(from, key, value, options),
  /**
   * Describes a versioned store for processors, with its serdes.
   *
   * @example
   * ```ts
   * const from = Stores.persistentVersionedKeyValueStore('prices', { historyRetentionMs: 60_000 })
   * builder.addStateStore(Stores.versionedKeyValueStoreBuilder(from, text, Serdes.double()))
   * ```
   */
  versionedKeyValueStoreBuilder: <K, V>(from: StoreSupplier<'versioned'>, key: Serde<K>, value: Serde<V>, options: StoreOptions = {}) =>
    builder<VersionedKeyValueStore<K, V>>(from, key, value, options),
  /**
   * Describes a key-value store for processors, whose values have timestamps as in tables.
   *
   * @example
   * ```ts
   * builder.addStateStore(Stores.timestampedKeyValueStoreBuilder(Stores.persistentKeyValueStore('last-seen'), text, text))
   * ```
   */
  timestampedKeyValueStoreBuilder: <K, V>(from: StoreSupplier<'keyValue'>, key: Serde<K>, value: Serde<V>, options: StoreOptions = {}) => ({
    ...builder<KeyValueStore<K, ValueAndTimestamp<V>>>(from, key, timestamped(value as unknown as AnySerde), options),
    timestamped: true,
  }),
  /**
   * Describes a window store for processors, whose values have timestamps as in windowed tables (KIP-258).
   *
   * @example
   * ```ts
   * const from = Stores.persistentWindowStore('last-seen', { retentionMs: 3_600_000, windowSizeMs: 60_000 })
   * builder.addStateStore(Stores.timestampedWindowStoreBuilder(from, text, text))
   * ```
   */
  timestampedWindowStoreBuilder: <K, V>(from: StoreSupplier<'window'>, key: Serde<K>, value: Serde<V>, options: StoreOptions = {}) => ({
    ...builder<WindowStore<K, ValueAndTimestamp<V>>>(from, key, timestamped(value as unknown as AnySerde), options),
    timestamped: true,
  }),
}

function supplier<Kind extends StoreKind>(
  kind: Kind,
  name: string,
  persistent: boolean,
  more: Partial<StoreSupplier<Kind>> = {},
): StoreSupplier<Kind> {
  if (name === '') throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', { message: 'A store has no name', next: 'Give the store a name.' })
  const { retentionMs } = more
  if (typeof retentionMs === 'number' && !(retentionMs >= 0)) {
    throw new WaggleError('WAGGLE_INVALID_WINDOW', {
      message: `The store ${name} cannot keep rows for ${retentionMs} ms`,
      next: 'Give at least 0 ms.',
    })
  }
  return { name, kind, persistent, retentionMs: null, windowSizeMs: 0, retainDuplicates: false, ...more }
}

function windowSupplier(name: string, persistent: boolean, options: WindowOptions): StoreSupplier<'window'> {
  const { retentionMs, windowSizeMs } = options
  if (windowSizeMs >= 0 && retentionMs >= windowSizeMs) return supplier('window', name, persistent, { retainDuplicates: false, ...options })
  throw new WaggleError('WAGGLE_INVALID_WINDOW', {
    message: `The store ${name} cannot keep windows of ${windowSizeMs} ms for ${retentionMs} ms`,
    next: 'Keep windows for at least their size.',
  })
}

function builder<S extends StateStore>(
  from: StoreSupplier<StoreKind>,
  key: unknown,
  value: unknown,
  { logging }: StoreOptions,
): KeptStore & StoreBuilder<S> {
  const { name, kind, persistent, retentionMs, windowSizeMs, retainDuplicates } = from
  return builderOf({
    name,
    kind,
    key: key as AnySerde,
    value: value as AnySerde,
    persistent,
    logging: logging ?? true,
    retentionMs,
    windowSizeMs,
    retainDuplicates,
  })
}
