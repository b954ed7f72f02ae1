import type { Record, RecordMetadata } from './record.ts'
import type { AnySerde, Serde } from './serde.ts'

/** A negative result drops the record. `partitionTime` is the highest timestamp of the partition so far, or -1. */
export type TimestampExtractor = (record: Record<unknown, unknown> & RecordMetadata, partitionTime: number) => number
export type OffsetReset = 'earliest' | 'latest' | 'none' | { readonly byDurationMs: number }

export interface ConsumedOptions {
  timestampExtractor?: TimestampExtractor
  offsetReset?: OffsetReset
  name?: string
}

/** How a source reads its topics. */
export class Consumed<K, V> {
  readonly key: AnySerde
  readonly value: AnySerde
  readonly options: ConsumedOptions
  declare private readonly types: ['consumed', K, V]

  private constructor(key: AnySerde, value: AnySerde, options: ConsumedOptions) {
    this.key = key
    this.value = value
    this.options = options
  }

  static with<K, V>(key: Serde<K>, value: Serde<V>, options: ConsumedOptions = {}): Consumed<K | null, V | null> {
    return new Consumed(key, value, options)
  }
}
