import type { ProducedOptions, StreamPartitioner } from '../produced.ts'
import type { AnySerde, Serde } from '../serde.ts'
import type { Logging, StoreKind } from '../state-store.ts'
import { WaggleError } from '../waggle-error.ts'
import type { StoreSupplier } from './stores.ts'
import { validName } from './valid-name.ts'

/** What goes with an operator, one class a kind, as Kafka Streams has them: a name, serdes, a store. */
abstract class Typed<T> {
  declare private readonly types: T
}

export class Named extends Typed<'named'> {
  readonly name: string

  private constructor(name: string) {
    super()
    this.name = name
  }

  static as(name: string): Named {
    return new Named(validName(name))
  }
}

export class Repartitioned<in K, in V> extends Typed<(key: K, value: V) => 'repartitioned'> {
  readonly key: AnySerde
  readonly value: AnySerde
  readonly options: ProducedOptions<never, never> & { numberOfPartitions?: number }

  private constructor(key: AnySerde, value: AnySerde, options: Repartitioned<K, V>['options']) {
    super()
    this.key = key
    this.value = value
    this.options = options
  }

  static with<K, V>(key: Serde<K>, value: Serde<V>, options: ProducedOptions<K, V> & { numberOfPartitions?: number } = {}): Repartitioned<K, V> {
    nameIn(options)
    const { numberOfPartitions: partitions } = options
    if (partitions !== undefined && !(Number.isInteger(partitions) && partitions > 0)) {
      throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
        message: `A topic cannot have ${partitions} partitions`,
        next: 'Give it at least one, or leave the number out.',
      })
    }
    return new Repartitioned(key, value, options as Repartitioned<K, V>['options'])
  }
}

export class Grouped<in K, in V> extends Typed<(key: K, value: V) => 'grouped'> {
  readonly key: AnySerde
  readonly value: AnySerde
  readonly name: string | null

  private constructor(key: AnySerde, value: AnySerde, name: string | null) {
    super()
    this.key = key
    this.value = value
    this.name = name
  }

  static with<K, V>(key: Serde<K>, value: Serde<V>, options: { name?: string } = {}): Grouped<K, V> {
    return new Grouped(key, value, nameIn(options))
  }
}

export class Joined<in K, in V, in V2> extends Typed<(key: K, value: V, other: V2) => 'joined'> {
  readonly key: AnySerde
  readonly value: AnySerde
  readonly other: AnySerde
  readonly gracePeriodMs: number | null
  readonly name: string | null

  private constructor(key: AnySerde, value: AnySerde, other: AnySerde, options: { gracePeriodMs?: number; name?: string }) {
    super()
    this.key = key
    this.value = value
    this.other = other
    this.gracePeriodMs = options.gracePeriodMs ?? null
    this.name = nameIn(options)
  }

  /** `gracePeriodMs` needs a versioned table (KIP-923). */
  static with<K, V, V2>(key: Serde<K>, value: Serde<V>, other: Serde<V2>, options: { gracePeriodMs?: number; name?: string } = {}): Joined<K, V, V2> {
    if (options.gracePeriodMs !== undefined && !(options.gracePeriodMs >= 0)) {
      throw new WaggleError('WAGGLE_INVALID_WINDOW', {
        message: `A join cannot wait for ${options.gracePeriodMs} ms`,
        next: 'Give a gracePeriodMs of at least 0, or leave it out.',
      })
    }
    return new Joined(key, value, other, options)
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
  readonly key: AnySerde
  readonly value: AnySerde
  readonly other: AnySerde
  readonly options: StreamJoinedOptions

  private constructor(key: AnySerde, value: AnySerde, other: AnySerde, options: StreamJoinedOptions) {
    super()
    this.key = key
    this.value = value
    this.other = other
    this.options = options
  }

  static with<K, V, V2>(key: Serde<K>, value: Serde<V>, other: Serde<V2>, options: StreamJoinedOptions = {}): StreamJoined<K, V, V2> {
    nameIn(options)
    return new StreamJoined(key, value, other, options)
  }
}

export class TableJoined<in K, in K2> extends Typed<(key: K, other: K2) => 'tableJoined'> {
  readonly partitioner: StreamPartitioner<never, never>
  readonly other: StreamPartitioner<never, never>
  readonly name: string | null

  private constructor(partitioner: StreamPartitioner<never, never>, other: StreamPartitioner<never, never>, name: string | null) {
    super()
    this.partitioner = partitioner
    this.other = other
    this.name = name
  }

  static with<K, K2>(
    partitioner: StreamPartitioner<K, void>,
    other: StreamPartitioner<K2, void>,
    options: { name?: string } = {},
  ): TableJoined<K, K2> {
    return new TableJoined(partitioner as StreamPartitioner<never, never>, other as StreamPartitioner<never, never>, nameIn(options))
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

/** How a table is kept. A store that nobody named has Kafka Streams' generated name and cannot be queried. */
export class Materialized<in K, out V, out Kind extends StoreKind = never> extends Typed<(key: K) => ['materialized', V, Kind]> {
  readonly name: string | null
  readonly supplier: StoreSupplier<StoreKind> | null
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  readonly options: MaterializedOptions

  private constructor(store: string | StoreSupplier<StoreKind> | null, key: AnySerde | null, value: AnySerde | null, options: MaterializedOptions) {
    super()
    this.name = typeof store === 'string' ? store : (store?.name ?? null)
    this.supplier = typeof store === 'string' ? null : store
    this.key = key
    this.value = value
    this.options = options
  }

  static as<K = unknown, V = never, Kind extends StoreKind = never>(
    store: string | StoreSupplier<Kind>,
    options: MaterializedOptions & { keySerde?: Serde<K>; valueSerde?: Serde<V> } = {},
  ): Materialized<K, V, Kind> {
    if (typeof store === 'string') validName(store)
    return new Materialized(store, options.keySerde ?? null, options.valueSerde ?? null, options)
  }

  static with<K, V>(key: Serde<K>, value: Serde<V>, options: MaterializedOptions = {}): Materialized<K, V> {
    return new Materialized(null, key, value, options)
  }
}

function nameIn({ name }: { readonly name?: string }): string | null {
  return name === undefined ? null : validName(name)
}
