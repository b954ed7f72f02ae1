import type { AnySerde, Serde, SerdeOptions } from './serde.ts'

/**
 * Returns a record's partition, several partitions (a copy to each) or none (the record is dropped). Null stands for the default partitioner, which
 * is the same as Java's.
 */
export type StreamPartitioner<K, V> = (topic: string, key: K | null, value: V | null, partitions: number) => number | readonly number[] | null

export interface ProducedOptions<K, V> {
  partitioner?: StreamPartitioner<K, V>
  name?: string
}

/**
 * The serdes and options with which a sink writes its topic. A null serde stands for the serde of the preceding operator, or else for the
 * application's default.
 */
export class Produced<in K, in V> {
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  readonly options: ProducedOptions<never, never>
  declare private readonly types: (key: K, value: V) => 'produced'

  private constructor(key: AnySerde | null, value: AnySerde | null, options: ProducedOptions<never, never>) {
    this.key = key
    this.value = value
    this.options = options
  }

  /**
   * Sets the serdes of a sink and, in `options`, its name and its partitioner.
   *
   * @example
   * ```ts
   * orders.to('orders-out', Produced.with(text, orderSerde, { partitioner: (_, key, __, partitions) => (key ?? '').length % partitions }))
   * ```
   *
   * @remarks Without a partitioner the key's bytes decide the partition, as in Java. A partitioner may return several partitions, or none, which
   * drops the record.
   */
  static with<K, V>(key: Serde<K> | null, value: Serde<V> | null, options: ProducedOptions<K, V> = {}): Produced<K, V> {
    return new Produced(key, value, options as ProducedOptions<never, never>)
  }

  /**
   * Names a sink. A serde that is left out comes from the preceding operator, or else from the application's defaults.
   *
   * @example
   * ```ts
   * orders.to('orders-out', Produced.as('orders-sink'))
   * orders.to('orders-copied', Produced.as('copies-sink', { keySerde: text, valueSerde: orderSerde }))
   * ```
   */
  static as<K = unknown, V = unknown>(
    name: string,
    { keySerde, valueSerde, ...options }: Omit<ProducedOptions<K, V>, 'name'> & SerdeOptions<K, V> = {},
  ): Produced<K, V> {
    return Produced.with(keySerde ?? null, valueSerde ?? null, { ...options, name })
  }
}
