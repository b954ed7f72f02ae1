import type { AnySerde, Serde, SerdeOptions } from '../serde.ts'
import type { Logging, StoreKind } from '../state-store.ts'
import { WaggleError } from '../waggle-error.ts'
import { Typed } from './option-type.ts'
import type { StoreSupplier } from './stores.ts'
import { validName } from './valid-name.ts'

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
   * Sets the serdes of a table's store. The store keeps its generated name.
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
      next: 'Give rocksDB or inMemory, or remove storeType.',
    })
  }
  if (retentionMs === undefined || retentionMs >= 0) return
  throw new WaggleError('WAGGLE_INVALID_WINDOW', {
    message: `A store cannot keep rows for ${retentionMs} ms`,
    next: 'Give a retentionMs of at least 0, or remove retentionMs.',
  })
}
