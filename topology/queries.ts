import type { KeyValue, Windowed } from './record.ts'
import type { ValueAndTimestamp, VersionedRecord } from './state-store.ts'

/** A question to a store. The caller gives the types of keys and values, which are not checked against the store. */
export abstract class Query<out R> {
  declare private readonly types: R
  readonly request: QueryRequest

  protected constructor(request: QueryRequest) {
    this.request = request
  }
}

export type QueryRequest =
  | { readonly kind: 'key' | 'timestamped-key'; readonly key: unknown }
  | { readonly kind: 'range' | 'timestamped-range'; readonly from: unknown; readonly to: unknown; readonly reverse: boolean }
  | { readonly kind: 'windows-of-key'; readonly key: unknown; readonly from: number; readonly to: number }
  | { readonly kind: 'windows'; readonly from: number; readonly to: number }
  | { readonly kind: 'sessions-of-key'; readonly key: unknown }
  | { readonly kind: 'version'; readonly key: unknown; readonly asOf: number | null }
  | { readonly kind: 'versions'; readonly key: unknown; readonly from: number; readonly to: number; readonly oldestFirst: boolean }

export interface StoreQuestion {
  readonly store: string
  readonly request: QueryRequest
  /** The partitions that answer; null for all partitions. */
  readonly partitions: readonly number[] | null
  /** True if copies may answer too, although a copy may be behind its changelog (KIP-535). */
  readonly allowsStale: boolean
}

/** The distance of this process's rows of one store and partition from the end of their changelog (KIP-535). */
export interface LagInfo {
  /** The next changelog offset that the rows lack. */
  readonly currentOffsetPosition: bigint
  readonly endOffsetPosition: bigint
  readonly offsetLag: number
}

/** The order of the rows in an answer: by keys, or by timestamps. With `ANY` the store chooses the order. */
export type ResultOrder = 'ANY' | 'ASCENDING' | 'DESCENDING'

export interface RangeOptions {
  /** The order of the keys' bytes. Default: ascending. */
  resultOrder?: ResultOrder
}

/** A query for one key (KIP-796). */
export abstract class KeyQuery extends Query<unknown> {
  /**
   * Asks for the value of a key; null without a value.
   *
   * @example
   * ```ts
   * const answers = await streams.query({ store: 'clicks-by-user', query: KeyQuery.withKey<string, number>('anna') })
   * console.log([...answers.values()].find((count) => count !== null))
   * ```
   */
  static withKey<K, V>(key: K): Query<V | null> {
    return asked({ kind: 'key', key })
  }
}

/** A query for the value and the timestamp of one key (KIP-992). */
export abstract class TimestampedKeyQuery extends Query<unknown> {
  /**
   * Asks for the value of a key and the timestamp of the record that changed it last; null without a value. The store must keep timestamps, as stores
   * of tables and of `Stores.timestampedKeyValueStoreBuilder` do. Throws WAGGLE_QUERY_NOT_SUPPORTED for any other store.
   *
   * @example
   * ```ts
   * const answers = await streams.query({ store: 'clicks-by-user', query: TimestampedKeyQuery.withKey<string, number>('anna') })
   * for (const row of answers.values()) if (row !== null) console.log(row.value, new Date(row.timestamp))
   * ```
   */
  static withKey<K, V>(key: K): Query<ValueAndTimestamp<V> | null> {
    return asked({ kind: 'timestamped-key', key })
  }
}

/** A query for a range of keys (KIP-805), in a chosen order (KIP-985). */
export abstract class RangeQuery extends Query<unknown> {
  /**
   * Asks for the keys between `from` and `to`, both included, in the order of their bytes; null means no bound.
   *
   * @example
   * ```ts
   * const query = RangeQuery.withRange<string, number>('a', null, { resultOrder: 'DESCENDING' })
   * for (const rows of (await streams.query({ store: 'clicks-by-user', query })).values()) for await (const [user, clicks] of rows) console.log(user, clicks)
   * ```
   */
  static withRange<K, V>(from: K | null, to: K | null, options: RangeOptions = {}): Query<AsyncIterable<KeyValue<K, V>>> {
    return asked({ kind: 'range', from, to, reverse: options.resultOrder === 'DESCENDING' })
  }
}

/** A query for the values and timestamps of a range of keys (KIP-992). */
export abstract class TimestampedRangeQuery extends Query<unknown> {
  /**
   * Asks for the keys between `from` and `to` as `RangeQuery.withRange` does, with each value's timestamp.
   *
   * @example
   * ```ts
   * const query = TimestampedRangeQuery.withRange<string, number>(null, null)
   * for (const rows of (await streams.query({ store: 'clicks-by-user', query })).values())
   *   for await (const [user, { value, timestamp }] of rows) console.log(user, value, timestamp)
   * ```
   */
  static withRange<K, V>(from: K | null, to: K | null, options: RangeOptions = {}): Query<AsyncIterable<KeyValue<K, ValueAndTimestamp<V>>>> {
    return asked({ kind: 'timestamped-range', from, to, reverse: options.resultOrder === 'DESCENDING' })
  }
}

/** A query for one version of one key in a versioned store (KIP-960). */
export abstract class VersionedKeyQuery extends Query<unknown> {
  /**
   * Asks for the latest version of a key, or for the version that was valid at `asOf`. Null if there was no such version, or if the history no longer
   * contains it.
   *
   * @example
   * ```ts
   * const query = VersionedKeyQuery.withKey<string, number>('bread', { asOf: Date.parse('2026-01-01') })
   * for (const version of (await streams.query({ store: 'prices', query })).values()) console.log(version?.value, version?.validTo)
   * ```
   */
  static withKey<K, V>(key: K, { asOf }: { asOf?: number } = {}): Query<VersionedRecord<V> | null> {
    return asked({ kind: 'version', key, asOf: asOf === undefined ? null : sendable(asOf) })
  }
}

export interface VersionsOptions {
  /** The first time that counts. Default: the beginning. */
  fromTime?: number
  /** The last time that counts. Default: no end. */
  toTime?: number
  /** The order of the timestamps. Default: newest first. */
  resultOrder?: ResultOrder
}

/** A query for the versions of one key in a versioned store (KIP-968). */
export abstract class MultiVersionedKeyQuery extends Query<unknown> {
  /**
   * Asks for all versions of a key that were valid at some time between `fromTime` and `toTime`, if the history still contains them.
   *
   * @example
   * ```ts
   * const query = MultiVersionedKeyQuery.withKey<string, number>('bread', { fromTime: Date.now() - 3_600_000, resultOrder: 'ASCENDING' })
   * for (const versions of (await streams.query({ store: 'prices', query })).values())
   *   for (const { value, timestamp, validTo } of versions) console.log(value, timestamp, validTo)
   * ```
   */
  static withKey<K, V>(key: K, { fromTime, toTime, resultOrder }: VersionsOptions = {}): Query<readonly VersionedRecord<V>[]> {
    return asked({
      kind: 'versions',
      key,
      from: sendable(fromTime ?? 0),
      to: sendable(toTime ?? Number.POSITIVE_INFINITY),
      oldestFirst: resultOrder === 'ASCENDING',
    })
  }
}

/** A query for one key's windows (KIP-806). */
export abstract class WindowKeyQuery extends Query<unknown> {
  /**
   * Asks for a key's windows that start between `from` and `to`, both included. The answer has each window's start and value, oldest first.
   *
   * @example
   * ```ts
   * const query = WindowKeyQuery.withKeyAndWindowStartRange<string, number>('anna', Date.now() - 3_600_000, Date.now())
   * for (const windows of (await streams.query({ store: 'clicks-per-minute', query })).values()) for (const [start, clicks] of windows) console.log(start, clicks)
   * ```
   */
  static withKeyAndWindowStartRange<K, V>(key: K, from: number, to: number): Query<readonly KeyValue<number, V>[]> {
    return asked({ kind: 'windows-of-key', key, from: sendable(from), to: sendable(to) })
  }
}

/** A query for all keys' windows (KIP-806). */
export abstract class WindowRangeQuery extends Query<unknown> {
  /**
   * Asks for all keys' windows that start between `from` and `to`, both included. For window stores only.
   *
   * @example
   * ```ts
   * const query = WindowRangeQuery.withWindowStartRange<string, number>(0, Date.now())
   * for (const rows of (await streams.query({ store: 'clicks-per-minute', query })).values())
   *   for await (const [{ key, window }, clicks] of rows) console.log(key, window.start, clicks)
   * ```
   */
  static withWindowStartRange<K, V>(from: number, to: number): Query<AsyncIterable<KeyValue<Windowed<K>, V>>> {
    return asked({ kind: 'windows', from: sendable(from), to: sendable(to) })
  }

  /**
   * Asks for a key's sessions, in the order of their ends. For session stores only.
   *
   * @example
   * ```ts
   * const query = WindowRangeQuery.withKey<string, number>('anna')
   * for (const rows of (await streams.query({ store: 'visits', query })).values())
   *   for await (const [{ window }, clicks] of rows) console.log(window.start, window.end, clicks)
   * ```
   */
  static withKey<K, V>(key: K): Query<AsyncIterable<KeyValue<Windowed<K>, V>>> {
    return asked({ kind: 'sessions-of-key', key })
  }
}

/** A time as a number that JSON can represent, for a question to another process. All rows are from time 0 or later. */
function sendable(time: number): number {
  return Math.max(-1, Math.min(time, Number.MAX_SAFE_INTEGER))
}

function asked<R>(request: QueryRequest): Query<R> {
  return new (class extends Query<R> {
    constructor() {
      super(request)
    }
  })()
}
