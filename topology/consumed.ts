import type { Record, RecordMetadata } from './record.ts'
import type { AnySerde, Serde, SerdeOptions } from './serde.ts'
import { WaggleError } from './waggle-error.ts'

/** Returns a record's timestamp. A negative timestamp drops the record. `partitionTime` is the highest timestamp so far in the partition, or -1. */
export type TimestampExtractor = (record: Record<unknown, unknown> & RecordMetadata, partitionTime: number) => number
/** The timestamp extractors of Kafka Streams, for the timestamps of KIP-32. */
export const TimestampExtractors: {
  readonly [name in 'failOnInvalid' | 'logAndSkipOnInvalid' | 'usePartitionTimeOnInvalid' | 'wallclock']: TimestampExtractor
} = {
  /** Fails on a negative timestamp. This is the default. */
  failOnInvalid({ topic, partition, offset, timestamp }) {
    if (timestamp >= 0) return timestamp
    throw new WaggleError('WAGGLE_INVALID_TIMESTAMP', {
      message: `Record ${offset} of ${topic}, partition ${partition}, has no valid timestamp (${timestamp})`,
      next: 'Set a timestamp in the producer, or give the source another TimestampExtractor.',
    })
  },
  logAndSkipOnInvalid: ({ timestamp }) => timestamp,
  usePartitionTimeOnInvalid({ topic, partition, offset, timestamp }, partitionTime) {
    if (timestamp >= 0) return timestamp
    if (partitionTime >= 0) return partitionTime
    throw new WaggleError('WAGGLE_INVALID_TIMESTAMP', {
      message: `Record ${offset} of ${topic}, partition ${partition}, has no valid timestamp (${timestamp}), and no earlier record of the partition has one`,
      next: 'Set a timestamp in the producer, or give the source another TimestampExtractor.',
    })
  },
  wallclock: () => Date.now(),
}

export type OffsetReset = 'earliest' | 'latest' | 'none' | { readonly byDurationMs: number }

export interface ConsumedOptions {
  timestampExtractor?: TimestampExtractor
  offsetReset?: OffsetReset
  name?: string
}

/** The serdes and options with which a source reads its topics. A null serde stands for the application's default. */
export class Consumed<K, V> {
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  readonly options: ConsumedOptions
  declare private readonly types: ['consumed', K, V]

  /** The records that the source drops and counts before any node sees them. */
  readonly skips: { readonly nullKeys: boolean; readonly nullValues: boolean }

  private constructor(key: AnySerde | null, value: AnySerde | null, options: ConsumedOptions, skips: Consumed<K, V>['skips']) {
    this.key = key
    this.value = value
    this.options = options
    this.skips = skips
  }

  /**
   * Sets the serdes of a source and, in `options`, its name, its timestamp extractor and its first position. Keys and values may be null.
   *
   * @example
   * ```ts
   * builder.stream('orders-in', Consumed.with(text, orderSerde, { offsetReset: 'latest', timestampExtractor: (record) => record.timestamp }))
   * ```
   *
   * @remarks `offsetReset` counts only if the application has no committed position. Its default is `earliest`. A null serde stands for the
   * application's default.
   */
  static with<K, V>(key: Serde<K> | null, value: Serde<V> | null, options: ConsumedOptions = {}): Consumed<K | null, V | null> {
    return new Consumed(key, value, options, { nullKeys: false, nullValues: false })
  }

  /**
   * Names a source. A serde that is left out is replaced by the application's default.
   *
   * @example
   * ```ts
   * builder.stream('orders-in', Consumed.as<string, string>('orders-source'))
   * builder.stream('clicks-in', Consumed.as<string, string>('clicks-source', { valueSerde: text, offsetReset: 'latest' }))
   * ```
   */
  static as<K, V>(
    name: string,
    { keySerde, valueSerde, ...options }: Omit<ConsumedOptions, 'name'> & SerdeOptions<K, V> = {},
  ): Consumed<K | null, V | null> {
    return Consumed.with(keySerde ?? null, valueSerde ?? null, { ...options, name })
  }

  /**
   * Drops records with a null key, and counts them in `dropped-records-total`. The stream's key type then excludes null.
   *
   * @example
   * ```ts
   * builder.stream('orders-in', Consumed.with(text, orderSerde).skipNullKeys()).mapValues((order, id) => `${id.length}: ${order?.total}`)
   * ```
   */
  skipNullKeys(): Consumed<NonNullable<K>, V> {
    return new Consumed(this.key, this.value, this.options, { ...this.skips, nullKeys: true })
  }

  /**
   * Drops records with a null value, and counts them in `dropped-records-total`. The stream's value type then excludes null.
   *
   * @example
   * ```ts
   * builder.stream('orders-in', Consumed.with(text, orderSerde).skipNullValues()).mapValues((order) => order.total)
   * ```
   *
   * @remarks Do not use this method for a table, in which null deletes a key.
   */
  skipNullValues(): Consumed<K, NonNullable<V>> {
    return new Consumed(this.key, this.value, this.options, { ...this.skips, nullValues: true })
  }
}
