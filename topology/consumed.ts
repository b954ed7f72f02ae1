import type { Record, RecordMetadata } from './record.ts'
import type { AnySerde, Serde, SerdeOptions } from './serde.ts'
import { WaggleError } from './waggle-error.ts'

/** Returns a record's timestamp. A negative result drops the record. `partitionTime` is the partition's highest timestamp so far, or -1. */
export type TimestampExtractor = (record: Record<unknown, unknown> & RecordMetadata, partitionTime: number) => number
/** The timestamp extractors of Kafka Streams, for the timestamps of KIP-32. */
export const TimestampExtractors: {
  readonly [name in 'failOnInvalid' | 'logAndSkipOnInvalid' | 'usePartitionTimeOnInvalid' | 'wallclock']: TimestampExtractor
} = {
  /** Fails on a negative timestamp. This is the default. */
  failOnInvalid({ topic, partition, offset, timestamp }) {
    if (timestamp >= 0) return timestamp
    throw new WaggleError('WAGGLE_INVALID_TIMESTAMP', {
      message: `The record ${offset} of ${topic}, partition ${partition}, has the timestamp ${timestamp}`,
      next: 'Let its producer set a time, or use another of the TimestampExtractors.',
    })
  },
  logAndSkipOnInvalid: ({ timestamp }) => timestamp,
  usePartitionTimeOnInvalid({ topic, partition, offset, timestamp }, partitionTime) {
    if (timestamp >= 0) return timestamp
    if (partitionTime >= 0) return partitionTime
    throw new WaggleError('WAGGLE_INVALID_TIMESTAMP', {
      message: `The record ${offset} of ${topic}, partition ${partition}, has the timestamp ${timestamp}, and the partition has no time yet`,
      next: 'Let its producer set a time, or use another of the TimestampExtractors.',
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

/** How a source reads its topics. A serde that is null is the application's default. */
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
   * Sets the serdes that a source reads with and, in `options`, its name, its timestamp extractor and its first position. Keys and values may be
   * null.
   *
   * @example
   * ```ts
   * builder.stream('orders-in', Consumed.with(text, orderSerde, { offsetReset: 'latest', timestampExtractor: (record) => record.timestamp }))
   * ```
   *
   * @remarks `offsetReset` counts only where the application has no committed position. Its default is `earliest`. A serde that is null is the
   * application's default.
   */
  static with<K, V>(key: Serde<K> | null, value: Serde<V> | null, options: ConsumedOptions = {}): Consumed<K | null, V | null> {
    return new Consumed(key, value, options, { nullKeys: false, nullValues: false })
  }

  /**
   * Names a source. Serdes that are left out are the application's defaults.
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
   * Drops records with a null key and counts them in `dropped-records-total`. It takes null out of the stream's key type.
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
   * Drops records with a null value and counts them in `dropped-records-total`. It takes null out of the stream's value type.
   *
   * @example
   * ```ts
   * builder.stream('orders-in', Consumed.with(text, orderSerde).skipNullValues()).mapValues((order) => order.total)
   * ```
   *
   * @remarks Do not use it for a table: there null deletes a key.
   */
  skipNullValues(): Consumed<K, NonNullable<V>> {
    return new Consumed(this.key, this.value, this.options, { ...this.skips, nullValues: true })
  }
}
