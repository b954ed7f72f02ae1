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
import type { StoreOptions } from './options.ts'
import { timestamped } from './timestamped.ts'

/** What a store is made with: its name, its kind, and what only its kind has. */
export interface StoreSupplier<out Kind extends StoreKind> {
  readonly name: string
  readonly kind: Kind
  /** False: in memory; here that is where it lies between two commits, whichever it is. */
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

/** The stores there are, and how processors get one with serdes. */
export const Stores = {
  persistentKeyValueStore: (name: string) => supplier('keyValue', name, true),
  inMemoryKeyValueStore: (name: string) => supplier('keyValue', name, false),
  persistentWindowStore: (name: string, options: WindowOptions) => windowSupplier(name, true, options),
  inMemoryWindowStore: (name: string, options: WindowOptions) => windowSupplier(name, false, options),
  persistentSessionStore: (name: string, { retentionMs }: { retentionMs: number }) => supplier('session', name, true, { retentionMs }),
  inMemorySessionStore: (name: string, { retentionMs }: { retentionMs: number }) => supplier('session', name, false, { retentionMs }),
  persistentVersionedKeyValueStore: (name: string, { historyRetentionMs }: { historyRetentionMs: number }) =>
    supplier('versioned', name, true, { retentionMs: historyRetentionMs }),
  keyValueStoreBuilder: <K, V>(from: StoreSupplier<'keyValue'>, key: Serde<K>, value: Serde<V>, options: StoreOptions = {}) =>
    builder<KeyValueStore<K, V>>(from, key, value, options),
  windowStoreBuilder: <K, V>(from: StoreSupplier<'window'>, key: Serde<K>, value: Serde<V>, options: StoreOptions = {}) =>
    builder<WindowStore<K, V>>(from, key, value, options),
  sessionStoreBuilder: <K, V>(from: StoreSupplier<'session'>, key: Serde<K>, value: Serde<V>, options: StoreOptions = {}) =>
    builder<SessionStore<K, V>>(from, key, value, options),
  versionedKeyValueStoreBuilder: <K, V>(from: StoreSupplier<'versioned'>, key: Serde<K>, value: Serde<V>, options: StoreOptions = {}) =>
    builder<VersionedKeyValueStore<K, V>>(from, key, value, options),
  timestampedKeyValueStoreBuilder: <K, V>(from: StoreSupplier<'keyValue'>, key: Serde<K>, value: Serde<V>, options: StoreOptions = {}) => ({
    ...builder<KeyValueStore<K, ValueAndTimestamp<V>>>(from, key, timestamped(value as unknown as AnySerde), options),
    timestamped: true,
  }),
}

function supplier<Kind extends StoreKind>(
  kind: Kind,
  name: string,
  persistent: boolean,
  more: Partial<StoreSupplier<Kind>> = {},
): StoreSupplier<Kind> {
  if (name === '') throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', { message: 'A store has no name', next: 'Give it one.' })
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
    next: 'Keep them for at least their size.',
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
