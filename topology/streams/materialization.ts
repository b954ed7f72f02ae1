import type { AnySerde } from '../serde.ts'
import type { KeptStore, StoreKind } from '../state-store.ts'
import { WaggleError } from '../waggle-error.ts'
import type { Materialized, MaterializedOptions } from './options.ts'
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

/** What an operator knows of the store that it keeps its table in. */
export class Materialization implements Serdes {
  /** The user's, or one made up. */
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

  /** A name is made up, and counted, where there is none. */
  static of(materialized: unknown, graph: StreamsGraph, prefix: string): Materialization {
    const given = materialized as AnyMaterialized | undefined
    const name = given?.name ?? graph.newStoreName(prefix)
    const isNamed = given !== undefined && given.name !== null
    return new Materialization(name, isNamed, given ?? { key: null, value: null }, given?.options ?? {}, given?.supplier ?? null)
  }

  /** Serdes that were not given come from the operator before. */
  or({ key, value }: Serdes): Materialization {
    return new Materialization(this.store, this.isNamed, { key: this.key ?? key, value: this.value ?? value }, this.options, this.#supplier)
  }

  /** Null where nobody named it: then nobody can ask it. */
  get queryableName(): string | null {
    return this.isNamed ? this.store : null
  }

  /** Its rows are versions (KIP-889). */
  get isVersioned(): boolean {
    return this.#supplier?.kind === 'versioned'
  }

  /** How to look a key up in the table. */
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

  windowStore(options: { readonly windowSizeMs: number; readonly retentionMs: number; readonly timeOrdered: boolean }): KeptStore {
    return this.#builder('window', this.#retention(options.retentionMs, 'its windows and their grace'), {
      windowSizeMs: options.windowSizeMs,
      timeOrdered: options.timeOrdered,
    })
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

  /** As Kafka Streams: what a supplier says is taken as it is. */
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
      // What leaves when a window closes leaves once anyway.
      cached: kind !== 'versioned' && more.timeOrdered !== true && (this.options.caching ?? true),
      ...more,
    }
  }
}
