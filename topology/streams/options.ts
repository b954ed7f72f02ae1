import type { ProducedOptions } from '../produced.ts'
import type { AnySerde, Serde, SerdeOptions } from '../serde.ts'
import { WaggleError } from '../waggle-error.ts'
import { nameIn, Typed } from './option-type.ts'
import { validName } from './valid-name.ts'

export class Named extends Typed<'named'> {
  readonly name: string

  private constructor(name: string) {
    super()
    this.name = name
  }

  /**
   * Names a step. A name has letters, digits, dots, dashes and underscores, and at most 249 characters. Any other name throws
   * WAGGLE_INVALID_TOPOLOGY.
   *
   * @example
   * ```ts
   * orders.filter((_, order) => order.total >= 100, Named.as('large-orders-only')).to('large-orders', Produced.with(text, orderSerde))
   * ```
   *
   * @remarks The generated name of a step contains a number, which changes when steps are added before the step.
   */
  static as(name: string): Named {
    return new Named(validName(name))
  }
}

export interface RepartitionedOptions<K, V> extends ProducedOptions<K, V> {
  numberOfPartitions?: number
}

export class Repartitioned<in K, in V> extends Typed<(key: K, value: V) => 'repartitioned'> {
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  readonly options: RepartitionedOptions<never, never>

  private constructor(key: AnySerde | null, value: AnySerde | null, options: Repartitioned<K, V>['options']) {
    super()
    this.key = key
    this.value = value
    this.options = options
  }

  /**
   * Sets the serdes of a repartition topic and, in `options`, its name, its number of partitions and its partitioner.
   *
   * @example
   * ```ts
   * orders
   *   .selectKey((_, order) => order.customer)
   *   .repartition(Repartitioned.with(text, orderSerde, { name: 'by-customer', numberOfPartitions: 8 }))
   *   .to('orders-by-customer', Produced.with(text, orderSerde))
   * ```
   *
   * @remarks By default the topic has as many partitions as the topics that feed it. The two sides of a join need the same number.
   */
  static with<K, V>(key: Serde<K> | null, value: Serde<V> | null, options: RepartitionedOptions<K, V> = {}): Repartitioned<K, V> {
    nameIn(options)
    const { numberOfPartitions: partitions } = options
    if (partitions !== undefined && !(Number.isInteger(partitions) && partitions > 0)) {
      throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
        message: `A topic cannot have ${partitions} partitions`,
        next: 'Give the topic at least one partition, or leave the number out.',
      })
    }
    return new Repartitioned(key, value, options as RepartitionedOptions<never, never>)
  }

  /**
   * Names a repartition topic: `<applicationId>-<name>-repartition`. A serde that is left out comes from the preceding operator, or else from the
   * application's defaults.
   *
   * @example
   * ```ts
   * orders.repartition(Repartitioned.as('spread', { numberOfPartitions: 8 })).to('orders-spread')
   * ```
   */
  static as<K = unknown, V = unknown>(
    name: string,
    { keySerde, valueSerde, ...options }: Omit<RepartitionedOptions<K, V>, 'name'> & SerdeOptions<K, V> = {},
  ): Repartitioned<K, V> {
    return Repartitioned.with(keySerde ?? null, valueSerde ?? null, { ...options, name })
  }
}

export class Grouped<in K, in V> extends Typed<(key: K, value: V) => 'grouped'> {
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  readonly name: string | null

  private constructor(key: AnySerde | null, value: AnySerde | null, name: string | null) {
    super()
    this.key = key
    this.value = value
    this.name = name
  }

  /**
   * Sets the serdes of a grouping, and the name of its repartition topic, if there is one: `<applicationId>-<name>-repartition`.
   *
   * @example
   * ```ts
   * orders.groupBy((_, order) => order.customer, Grouped.with(text, orderSerde, { name: 'by-customer' })).count(Materialized.as('orders-by-customer'))
   * ```
   */
  static with<K, V>(key: Serde<K> | null, value: Serde<V> | null, options: { name?: string } = {}): Grouped<K, V> {
    return new Grouped(key, value, nameIn(options))
  }

  /**
   * Names a grouping and its repartition topic, if there is one. A serde that is left out comes from the preceding operator, or else from the
   * application's defaults.
   *
   * @example
   * ```ts
   * orders.groupBy((_, order) => order.customer, Grouped.as('by-customer', { keySerde: text })).count()
   * ```
   */
  static as<K = unknown, V = unknown>(name: string, { keySerde, valueSerde }: SerdeOptions<K, V> = {}): Grouped<K, V> {
    return Grouped.with(keySerde ?? null, valueSerde ?? null, { name })
  }
}
