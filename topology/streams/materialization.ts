import type { AnySerde } from '../serde.ts'
import type { KeptStore, StoreKind } from '../state-store.ts'
import { WaggleError } from '../waggle-error.ts'
import type { Materialized, MaterializedOptions } from './materialized.ts'
import type { StoreSupplier } from './stores.ts'
import type { StreamsGraph } from './streams-graph.ts'
import type { TableView } from './table-view.ts'
import { timestamped } from './timestamped.ts'
import { serdeOr } from './unset-serde.ts'

interface Serdes {
  readonly key: AnySerde | null
  readonly value: AnySerde | null
}

type AnyMaterialized = Materialized<never, unknown, never>

/** The store of an operator's table. */
export class Materialization implements Serdes {
  /** The user's name, or a generated one. */
  readonly store: string
  readonly isNamed: boolean
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  readonly options: MaterializedOptions
  readonly #supplier: StoreSupplier<StoreKind> | null

  private constructor(store: string, isNamed: boolean, serdes: Serdes, options: MaterializedOptions, supplier: StoreSupplier<StoreKind> | null) {
    this.store = store
    this.isNamed = isNamed
    this.key = serdes.key
    this.value = serdes.value
    this.options = options
    this.#supplier = supplier
  }

  /** Reads a user's `Materialized`. A store without a name gets the next generated name. */
  static of(materialized: unknown, graph: StreamsGraph, prefix: string): Materialization {
    const given = materialized as AnyMaterialized | undefined
    const name = given?.name ?? graph.newStoreName(prefix)
    const isNamed = given !== undefined && given.name !== null
    return new Materialization(name, isNamed, given ?? { key: null, value: null }, given?.options ?? {}, given?.supplier ?? null)
  }

  /** Returns the same store. Serdes that the user did not give are taken from the operator before. */
  or({ key, value }: Serdes): Materialization {
    return new Materialization(this.store, this.isNamed, { key: this.key ?? key, value: this.value ?? value }, this.options, this.#supplier)
  }

  /** The store's name for queries. Null if the user did not name the store, which then cannot be queried. */
  get queryableName(): string | null {
    return this.isNamed ? this.store : null
  }

  /** True if the store keeps versions (KIP-889). */
  get isVersioned(): boolean {
    return this.#supplier?.kind === 'versioned'
  }

  /** The view by which other steps look up rows of this table. */
  get view(): TableView {
    return { kind: 'store', store: this.store, of: this.isVersioned ? 'versioned' : 'keyValue' }
  }

  tableStore(): KeptStore {
    if (this.isVersioned) {
      const value = serdeOr(this.value, 'value', this.store)
      return { ...this.#builder('versioned', this.#supplier?.retentionMs ?? null, {}), value, timestamped: false }
    }
    return this.#builder('keyValue', null, {})
  }

  windowStore(options: {
    readonly windowSizeMs: number
    readonly retentionMs: number
    readonly timeOrdered: boolean
    readonly isSliding: boolean
  }): KeptStore {
    const store = this.#builder('window', this.#retention(options.retentionMs, 'its windows and their grace'), {
      windowSizeMs: options.windowSizeMs,
      timeOrdered: options.timeOrdered,
    })
    return options.timeOrdered && options.isSliding ? { ...store, cached: false } : store
  }

  sessionStore(options: { readonly retentionMs: number; readonly timeOrdered: boolean }): KeptStore {
    return {
      ...this.#builder('session', this.#retention(options.retentionMs, 'its sessions’ gap and grace'), {
        timeOrdered: options.timeOrdered,
      }),
      value: serdeOr(this.value, 'value', this.store),
      timestamped: false,
    }
  }

  /** The retention of the store. A supplier's retention is not checked, as in Kafka Streams. */
  #retention(least: number, what: string): number {
    const { retentionMs } = this.options
    if (this.#supplier !== null && this.#supplier.retentionMs !== null) return this.#supplier.retentionMs
    if (retentionMs === undefined || retentionMs >= least) return retentionMs ?? least
    throw new WaggleError('WAGGLE_INVALID_WINDOW', {
      message: `The store ${this.store} would be kept for ${retentionMs} ms, which is shorter than ${what} (${least} ms)`,
      next: `Give a retentionMs of at least ${least}.`,
    })
  }

  #builder(kind: StoreKind, retentionMs: number | null, more: Partial<KeptStore>): KeptStore {
    return {
      name: this.store,
      kind,
      key: serdeOr(this.key, 'key', this.store),
      value: timestamped(serdeOr(this.value, 'value', this.store)),
      timestamped: true,
      persistent: this.#supplier?.persistent ?? this.options.storeType !== 'inMemory',
      logging: this.options.logging ?? true,
      retentionMs,
      // Results that are emitted only when their window closes are not held back, as in Kafka Streams. A cache would contain windows that their store
      // has dropped.
      cached: kind !== 'versioned' && !(kind === 'session' && more.timeOrdered === true) && (this.options.caching ?? true),
      ...more,
    }
  }
}
