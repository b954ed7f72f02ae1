import type { StreamsOperator } from '../operators/streams-operators.ts'
import { Serdes } from '../serdes.ts'
import type { KeptStore } from '../state-store.ts'
import { type Aggregation, type Aggregator, aggregating, counting, type Reducer, reducing } from './aggregation.ts'
import { type CogroupedKStream, CogroupedStream } from './cogrouped-stream.ts'
import type { StreamParts } from './kstream.ts'
import { type KTable, Table, type TableParts } from './ktable.ts'
import { Materialization } from './materialization.ts'
import type { Materialized } from './materialized.ts'
import type { Named } from './options.ts'
import { addRepartition, countRepartition } from './repartition.ts'
import { type SessionWindowedKStream, SessionWindowedStream } from './session-windowed-stream.ts'
import type { Kept } from './shared-types.ts'
import { type TimeWindowedKStream, TimeWindowedStream } from './time-windowed-stream.ts'
import { SessionWindows, type SlidingWindows, type TimeWindows, type UnlimitedWindows } from './windows.ts'

/** A stream grouped by key, ready for an aggregation. */
export interface KGroupedStream<K, V> {
  /**
   * Counts the records of each key. The table is stored, with a changelog. Key and partition stay.
   *
   * @example
   * ```ts
   * clicks.groupByKey(Grouped.with(text, text)).count(Materialized.as('clicks-by-user'))
   * ```
   *
   * @remarks A store without a name cannot be queried, and its generated name changes when the program changes.
   */
  count(materialized?: Materialized<K, number, 'keyValue'>, named?: Named): KTable<K, number>
  /**
   * Combines all values of a key into one value of the same type. The first value is taken as it is, and the reducer adds each further value. A null
   * result deletes the row.
   *
   * @example
   * ```ts
   * clicks.groupByKey(Grouped.with(text, text)).reduce((pages, page) => `${pages} ${page}`, Materialized.as('pages-by-user'))
   * ```
   *
   * @remarks Use `aggregate` for a result of another type. A reducer that only appends, as in this example, makes a result that grows without a
   * limit.
   */
  reduce(reducer: Reducer<V>, materialized?: Materialized<K, V, 'keyValue'>, named?: Named): KTable<K, V>
  /**
   * Combines all values of a key into one value of any type. The table is stored, with a changelog. Key and partition stay.
   *
   * @example
   * ```ts
   * orders
   *   .groupByKey(Grouped.with(text, orderSerde))
   *   .aggregate(() => 0, (_, order, sum) => sum + order.total, Materialized.as('sums', { keySerde: text, valueSerde: Serdes.double() }))
   * ```
   *
   * @remarks Name the serde of the result, or set `defaultValueSerde`. Return a new aggregate, and do not change the old one. A null result deletes
   * the row.
   */
  aggregate<A>(initializer: () => A, aggregator: Aggregator<K, V, A>, materialized?: Kept<K, A>, named?: Named): KTable<K, A>
  /**
   * Divides each key's records into windows of time or into sessions, by the records' timestamps. The keys of the result are `Windowed`.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(TimeWindows.ofSizeAndGrace(60_000, 10_000))
   *   .count(Materialized.as('clicks-a-minute', { keySerde: text }))
   * ```
   *
   * @remarks A record that comes after the end of its window and the grace is dropped, and counted in `dropped-records-total`. With a longer grace,
   * windows are kept for longer.
   */
  windowedBy(windows: TimeWindows | SlidingWindows | UnlimitedWindows): TimeWindowedKStream<K, V>
  windowedBy(windows: SessionWindows): SessionWindowedKStream<K, V>
  /**
   * Begins an aggregate that several grouped streams feed, each with its own aggregator (KIP-150). The aggregate needs one store. A join of several
   * aggregates would need a store for each.
   *
   * @example
   * ```ts
   * const [byUser, ordersByUser] = [clicks.groupByKey(Grouped.with(text, text)), orders.groupBy((_, order) => order.customer, Grouped.with(text, orderSerde))]
   * byUser
   *   .cogroup<string>((_, page, seen) => `${seen} saw ${page}`)
   *   .cogroup(ordersByUser, (_, order, seen) => `${seen} bought for ${order.total}`)
   *   .aggregate(() => '', Materialized.as('doings', { keySerde: text, valueSerde: text }))
   * ```
   *
   * @remarks All streams must have the same number of partitions. The order between records of two topics is not defined.
   */
  cogroup<A>(aggregator: Aggregator<K, V, A>): CogroupedKStream<K, A>
}

export class GroupedStream<K, V> implements KGroupedStream<K, V> {
  readonly parts: StreamParts
  /** The user's name for the repartition topic; null if there is none. */
  readonly #name: string | null
  #repartitioned: string | null = null

  constructor(parts: StreamParts, name: string | null) {
    this.parts = parts
    this.#name = name
  }

  count(materialized?: unknown, named?: Named): KTable<K, number> {
    const { graph } = this.parts
    // A store with options but without a name uses up two of the numbers for generated names, as in Kafka Streams.
    if (materialized !== undefined && (materialized as Kept<K, number>).name === null) graph.newStoreName('KSTREAM-AGGREGATE-')
    const kept = Materialization.of(materialized, graph, 'KSTREAM-AGGREGATE-').or({ key: this.parts.key, value: Serdes.long() })
    return this.#aggregated(kept, named, 'KSTREAM-AGGREGATE-', counting)
  }

  reduce(reducer: Reducer<V>, materialized?: unknown, named?: Named): KTable<K, V> {
    const kept = Materialization.of(materialized, this.parts.graph, 'KSTREAM-REDUCE-').or(this.parts)
    return this.#aggregated(kept, named, 'KSTREAM-REDUCE-', reducing(reducer))
  }

  aggregate<A>(initializer: () => A, aggregator: Aggregator<K, V, A>, materialized?: unknown, named?: Named): KTable<K, A> {
    const kept = Materialization.of(materialized, this.parts.graph, 'KSTREAM-AGGREGATE-').or({ key: this.parts.key, value: null })
    return this.#aggregated(kept, named, 'KSTREAM-AGGREGATE-', aggregating(initializer, aggregator))
  }

  windowedBy(windows: TimeWindows | SlidingWindows | UnlimitedWindows | SessionWindows): never {
    const stream = windows instanceof SessionWindows ? new SessionWindowedStream<K, V>(this, windows) : new TimeWindowedStream<K, V>(this, windows)
    return stream as never
  }

  cogroup<A>(aggregator: Aggregator<K, V, A>): CogroupedKStream<K, A> {
    return new CogroupedStream<K, A>(this.parts.graph).cogroup(this, aggregator)
  }

  #aggregated<A>(kept: Materialization, named: Named | undefined, prefix: string, { initialize, add }: Aggregation): KTable<K, A> {
    const oldValues = { sent: false }
    const operator: StreamsOperator = { op: 'stream-aggregate', store: kept.store, initialize, add, oldValues }
    const name = this.parts.graph.nameOr(named?.name, prefix)
    return this.table(name, operator, kept.tableStore(), kept, {
      key: kept.key,
      value: kept.value,
      view: () => kept.view,
      sendOldValues: () => {
        oldValues.sent = true
        return true
      },
    })
  }

  /** Adds the node that keeps a table of this stream's groups. */
  table<K2, A>(
    name: string,
    operator: StreamsOperator,
    store: KeptStore,
    kept: Materialization,
    parts: Pick<TableParts, 'key' | 'value' | 'view' | 'sendOldValues' | 'graceMs'>,
  ): KTable<K2, A> {
    const { graph } = this.parts
    const output = this.sourceFor(kept)
    graph.add({ output: name, inputs: [output], write: (topology) => topology.addOperator(name, operator, [output], { stores: [store] }) })
    return new Table<K2, A>({ graph, output: name, queryableStoreName: kept.queryableName, isVersioned: kept.isVersioned, ...parts })
  }

  /** The node that the aggregation reads. It is the stream itself, or a repartition topic if keys were changed. */
  sourceFor(kept: Materialization): string {
    const { graph, output, mustRepartition, key, value } = this.parts
    if (!mustRepartition) return output
    if (this.#repartitioned !== null && this.#name !== null) {
      countRepartition(graph)
      return this.#repartitioned
    }
    this.#repartitioned = addRepartition(graph, output, this.#name ?? kept.store, { key, value, partitioner: null, partitions: null })
    return this.#repartitioned
  }
}
