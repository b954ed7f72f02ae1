import type { ProducedOptions, StreamPartitioner } from '../produced.ts'
import type { AnySerde, Serde, SerdeOptions } from '../serde.ts'
import type { Logging, StoreKind } from '../state-store.ts'
import { WaggleError } from '../waggle-error.ts'
import type { StoreSupplier } from './stores.ts'
import { validName } from './valid-name.ts'

/** The base of the classes for an operator's options: a name, serdes, a store. Each kind has its own class, as in Kafka Streams. */
abstract class Typed<T> {
  declare private readonly types: T
}

export class Named extends Typed<'named'> {
  readonly name: string

  private constructor(name: string) {
    super()
    this.name = name
  }

  /**
   * Names a step: letters, digits, dots, dashes and underscores, at most 249. Any other name throws WAGGLE_INVALID_TOPOLOGY.
   *
   * @example
   * ```ts
   * orders.filter((_, order) => order.total >= 100, Named.as('large-orders-only')).to('large-orders', Produced.with(text, orderSerde))
   * ```
   *
   * @remarks A step without a name gets a number in its name, which changes when steps are added before it.
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
        next: 'Give it at least one, or leave the number out.',
      })
    }
    return new Repartitioned(key, value, options as RepartitionedOptions<never, never>)
  }

  /**
   * Names a repartition topic: `<applicationId>-<name>-repartition`. A serde that is left out comes from the operator before, else from the
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
   * Names a grouping and its repartition topic, if there is one. A serde that is left out comes from the operator before, else from the application's
   * defaults.
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
   * @remarks A grace needs a versioned table with a history that is at least as long.
   */
  static with<K, V, V2>(key: Serde<K> | null, value: Serde<V> | null, other: Serde<V2> | null, options: JoinedOptions = {}): Joined<K, V, V2> {
    if (options.gracePeriodMs !== undefined && !(options.gracePeriodMs >= 0)) {
      throw new WaggleError('WAGGLE_INVALID_WINDOW', {
        message: `A join cannot wait for ${options.gracePeriodMs} ms`,
        next: 'Give a gracePeriodMs of at least 0, or leave it out.',
      })
    }
    return new Joined(key, value, other, options)
  }

  /**
   * Names a stream's join with a table, and its repartition topic, if there is one. A serde that is left out comes from the operator before, else
   * from the application's defaults.
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
   * Sets the serdes of a join of two streams: key, this value, the other value. It also names the step and its two stores.
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
   * operators before, else from the application's defaults.
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
   * Sets the partitioners of a foreign-key join. The first partitions subscriptions like this table, the second partitions responses like the other
   * table.
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
   * Names a foreign-key join and its two internal topics. A partitioner that is left out is the default one.
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

export interface StoreOptions {
  caching?: boolean
  logging?: Logging
}

export interface MaterializedOptions extends StoreOptions {
  retentionMs?: number
  storeType?: 'rocksDB' | 'inMemory'
}

/** The options of a table's store. A store without a name has Kafka Streams' generated name and cannot be queried. */
export class Materialized<in K, out V, out Kind extends StoreKind = never> extends Typed<(key: K) => ['materialized', V, Kind]> {
  readonly name: string | null
  readonly supplier: StoreSupplier<StoreKind> | null
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  readonly options: MaterializedOptions

  private constructor(store: string | StoreSupplier<StoreKind> | null, key: AnySerde | null, value: AnySerde | null, options: MaterializedOptions) {
    super()
    refuseStoreOptions(store, options)
    this.name = typeof store === 'string' ? store : (store?.name ?? null)
    this.supplier = typeof store === 'string' ? null : store
    this.key = key
    this.value = value
    this.options = options
  }

  /**
   * Names the store of a table, so that it can be queried and its changelog keeps its name. A supplier of `Stores` also chooses the kind of store.
   *
   * @example
   * ```ts
   * clicks.groupByKey(Grouped.with(text, text)).count(Materialized.as('clicks-by-user', { keySerde: text, storeType: 'inMemory' }))
   * ```
   *
   * @remarks `caching: false` forwards each update at once. `logging: false` leaves the changelog out: on Kafka the rows are lost when the task
   * moves.
   */
  static as<K = unknown, V = never, Kind extends StoreKind = never>(
    store: string | StoreSupplier<Kind>,
    options: MaterializedOptions & SerdeOptions<K, V> = {},
  ): Materialized<K, V, Kind> {
    if (typeof store === 'string') validName(store)
    return new Materialized(store, options.keySerde ?? null, options.valueSerde ?? null, options)
  }

  /**
   * Sets the serdes of a table's store, which keeps its generated name.
   *
   * @example
   * ```ts
   * orders.groupByKey(Grouped.with(text, orderSerde)).aggregate(() => 0, (_, order, sum) => sum + order.total, Materialized.with(text, Serdes.double()))
   * ```
   *
   * @remarks The store cannot be queried, and its changelog's name changes when the program changes.
   */
  static with<K, V>(key: Serde<K> | null, value: Serde<V> | null, options: MaterializedOptions = {}): Materialized<K, V> {
    return new Materialized(null, key, value, options)
  }
}

function refuseStoreOptions(store: string | StoreSupplier<StoreKind> | null, { storeType, retentionMs }: MaterializedOptions): void {
  if (storeType !== undefined && typeof store !== 'string' && store !== null) {
    throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
      message: `The store ${store.name} has the type of its supplier, and is given the storeType ${storeType} too`,
      next: 'Leave storeType out, or give a name in place of the supplier.',
    })
  }
  if (storeType !== undefined && storeType !== 'rocksDB' && storeType !== 'inMemory') {
    throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
      message: `${JSON.stringify(storeType)} is not a storeType`,
      next: 'Give rocksDB or inMemory, or leave it out.',
    })
  }
  if (retentionMs === undefined || retentionMs >= 0) return
  throw new WaggleError('WAGGLE_INVALID_WINDOW', {
    message: `A store cannot keep rows for ${retentionMs} ms`,
    next: 'Give a retentionMs of at least 0, or leave it out.',
  })
}

function nameIn({ name }: { readonly name?: string }): string | null {
  return name === undefined ? null : validName(name)
}
