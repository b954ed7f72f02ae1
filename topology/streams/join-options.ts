import type { StreamPartitioner } from '../produced.ts'
import type { AnySerde, Serde, SerdeOptions } from '../serde.ts'
import type { Logging } from '../state-store.ts'
import { WaggleError } from '../waggle-error.ts'
import { nameIn, Typed } from './option-type.ts'
import type { StoreSupplier } from './stores.ts'
import { validName } from './valid-name.ts'

/** Serdes of a join, among other options. */
interface JoinSerdes<K, V, V2> extends SerdeOptions<K, V> {
  otherValueSerde?: Serde<V2>
}

export interface JoinedOptions {
  gracePeriodMs?: number
  name?: string
}

export class Joined<in K, in V, in V2> extends Typed<(key: K, value: V, other: V2) => 'joined'> {
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  readonly other: AnySerde | null
  readonly gracePeriodMs: number | null
  readonly name: string | null

  private constructor(key: AnySerde | null, value: AnySerde | null, other: AnySerde | null, options: JoinedOptions) {
    super()
    this.key = key
    this.value = value
    this.other = other
    this.gracePeriodMs = options.gracePeriodMs ?? null
    this.name = nameIn(options)
  }

  /**
   * Sets the serdes of a stream's join with a table: key, the stream's value, the table's value. With `gracePeriodMs` a record waits for late updates
   * of the table (KIP-923).
   *
   * @example
   * ```ts
   * orders
   *   .selectKey((_, order) => order.customer)
   *   .join(customers, (order, customer) => `${customer.name}: ${order.total}`, Joined.with(text, orderSerde, customerSerde, { name: 'named' }))
   *   .to('named-orders', Produced.with(text, text))
   * ```
   *
   * @remarks A grace needs a versioned table whose history is at least as long as the grace.
   */
  static with<K, V, V2>(key: Serde<K> | null, value: Serde<V> | null, other: Serde<V2> | null, options: JoinedOptions = {}): Joined<K, V, V2> {
    if (options.gracePeriodMs !== undefined && !(options.gracePeriodMs >= 0)) {
      throw new WaggleError('WAGGLE_INVALID_WINDOW', {
        message: `A join cannot wait for ${options.gracePeriodMs} ms`,
        next: 'Give a gracePeriodMs of at least 0, or remove gracePeriodMs.',
      })
    }
    return new Joined(key, value, other, options)
  }

  /**
   * Names a stream's join with a table, and its repartition topic, if there is one. A serde that is left out comes from the operator before or, if
   * that has none, from the application's defaults.
   *
   * @example
   * ```ts
   * orders
   *   .selectKey((_, order) => order.customer)
   *   .join(customers, (order, customer) => `${customer.name}: ${order.total}`, Joined.as('named', { keySerde: text, valueSerde: orderSerde }))
   * ```
   */
  static as<K = unknown, V = unknown, V2 = unknown>(
    name: string,
    { keySerde, valueSerde, otherValueSerde, ...options }: Omit<JoinedOptions, 'name'> & JoinSerdes<K, V, V2> = {},
  ): Joined<K, V, V2> {
    return Joined.with(keySerde ?? null, valueSerde ?? null, otherValueSerde ?? null, { ...options, name })
  }
}

export interface StreamJoinedOptions {
  storeName?: string
  thisStore?: StoreSupplier<'window'>
  otherStore?: StoreSupplier<'window'>
  logging?: Logging
  name?: string
}

export class StreamJoined<in K, in V, in V2> extends Typed<(key: K, value: V, other: V2) => 'streamJoined'> {
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  readonly other: AnySerde | null
  readonly options: StreamJoinedOptions

  private constructor(key: AnySerde | null, value: AnySerde | null, other: AnySerde | null, options: StreamJoinedOptions) {
    super()
    this.key = key
    this.value = value
    this.other = other
    this.options = options
  }

  /**
   * Sets the serdes of a join of two streams, in this order: key, this stream's value, the other stream's value. `options` can also name the step and
   * its two stores.
   *
   * @example
   * ```ts
   * orders
   *   .join(
   *     payments,
   *     (order, payment) => `${order.total} paid by ${payment}`,
   *     JoinWindows.ofTimeDifferenceWithNoGrace(60_000),
   *     StreamJoined.with(text, orderSerde, text, { name: 'paid', storeName: 'paid' }),
   *   )
   *   .to('paid-orders', Produced.with(text, text))
   * ```
   *
   * @remarks Your own stores (`thisStore`, `otherStore`) must keep duplicates, and keep rows for the window and its grace.
   */
  static with<K, V, V2>(
    key: Serde<K> | null,
    value: Serde<V> | null,
    other: Serde<V2> | null,
    options: StreamJoinedOptions = {},
  ): StreamJoined<K, V, V2> {
    nameIn(options)
    return new StreamJoined(key, value, other, options)
  }

  /**
   * Names the stores of a join of two streams, as Java's `StreamJoined.as` does; `name` names the step. A serde that is left out comes from the
   * operators before or, if they have none, from the application's defaults.
   *
   * @example
   * ```ts
   * orders.join(
   *   payments,
   *   (order, payment) => `${order.total} paid by ${payment}`,
   *   JoinWindows.ofTimeDifferenceWithNoGrace(60_000),
   *   StreamJoined.as('paid', { keySerde: text, valueSerde: orderSerde, otherValueSerde: text }),
   * )
   * ```
   */
  static as<K = unknown, V = unknown, V2 = unknown>(
    storeName: string,
    { keySerde, valueSerde, otherValueSerde, ...options }: Omit<StreamJoinedOptions, 'storeName'> & JoinSerdes<K, V, V2> = {},
  ): StreamJoined<K, V, V2> {
    return StreamJoined.with(keySerde ?? null, valueSerde ?? null, otherValueSerde ?? null, { ...options, storeName: validName(storeName) })
  }
}

export class TableJoined<in K, in K2> extends Typed<(key: K, other: K2) => 'tableJoined'> {
  readonly partitioner: StreamPartitioner<never, never> | null
  readonly other: StreamPartitioner<never, never> | null
  readonly name: string | null

  private constructor(partitioner: StreamPartitioner<never, never> | null, other: StreamPartitioner<never, never> | null, name: string | null) {
    super()
    this.partitioner = partitioner
    this.other = other
    this.name = name
  }

  /**
   * Sets the partitioners of a foreign-key join. The first partitioner distributes responses as this table's topic is partitioned. The second
   * distributes subscriptions as the other table's topic is partitioned.
   *
   * @example
   * ```ts
   * customers.join(
   *   countryNames,
   *   (customer) => customer.country,
   *   (customer, country) => `${customer.name} lives in ${country}`,
   *   Materialized.as('where-customers-live', { keySerde: text, valueSerde: text }),
   *   TableJoined.with<string, string>(
   *     (_, key, __, partitions) => (key ?? '').length % partitions,
   *     (_, key, __, partitions) => (key ?? '').length % partitions,
   *     { name: 'living' },
   *   ),
   * )
   * ```
   *
   * @remarks Needed only if the topics of the tables were written with custom partitioners.
   */
  static with<K, K2>(
    partitioner: StreamPartitioner<K, void> | null,
    other: StreamPartitioner<K2, void> | null,
    options: { name?: string } = {},
  ): TableJoined<K, K2> {
    return new TableJoined(partitioner as StreamPartitioner<never, never> | null, other as StreamPartitioner<never, never> | null, nameIn(options))
  }

  /**
   * Names a foreign-key join and its two internal topics. A partitioner that is left out is replaced by the default partitioner.
   *
   * @example
   * ```ts
   * customers.join(
   *   countryNames,
   *   (customer) => customer.country,
   *   (customer, country) => `${customer.name} lives in ${country}`,
   *   Materialized.as('where-customers-live', { keySerde: text, valueSerde: text }),
   *   TableJoined.as('living'),
   * )
   * ```
   */
  static as<K = unknown, K2 = unknown>(
    name: string,
    { partitioner, otherPartitioner }: { partitioner?: StreamPartitioner<K, void>; otherPartitioner?: StreamPartitioner<K2, void> } = {},
  ): TableJoined<K, K2> {
    return TableJoined.with(partitioner ?? null, otherPartitioner ?? null, { name })
  }
}
