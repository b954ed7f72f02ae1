import { TimestampExtractors } from '../consumed.ts'
import type { StreamsOperator } from '../operators/streams-operators.ts'
import type { AnySerde } from '../serde.ts'
import { Serdes } from '../serdes.ts'
import { type Aggregator, aggregating, counting, type Reducer } from './aggregation.ts'
import { changeSerde } from './change-serde.ts'
import { defined } from './defined.ts'
import { type KTable, Table } from './ktable.ts'
import { Materialization } from './materialization.ts'
import type { Named } from './options.ts'
import type { Kept } from './shared-types.ts'
import type { StreamsGraph } from './streams-graph.ts'
import { serdeOr } from './unset-serde.ts'

/**
 * The rows of a table grouped by a new key. When a row changes, the subtractor removes its old value from the aggregate, and then the adder adds the
 * new one.
 */
export interface KGroupedTable<K, V> {
  /**
   * Counts the rows of each group. A row that moves to another group is subtracted from its old group.
   *
   * @example
   * ```ts
   * customers
   *   .groupBy((_, customer) => [customer.country, customer], Grouped.with(text, customerSerde))
   *   .count(Materialized.as('customers-by-country', { keySerde: text }))
   * ```
   */
  count(materialized?: Kept<K, number>, named?: Named): KTable<K, number>
  /**
   * Combines all values of a group into one value of the same type. When a row changes, the subtractor removes its old value, and then the adder adds
   * the new one.
   *
   * @example
   * ```ts
   * countriesByCustomer
   *   .groupBy((id, country) => [country, id], Grouped.with(text, text))
   *   .reduce(
   *     (ids, id) => `${ids} ${id}`,
   *     (ids, id) => ids.split(' ').filter((other) => other !== id).join(' ') || null,
   *     Materialized.as('customers-of-country'),
   *   )
   * ```
   *
   * @remarks The subtractor must undo the adder, even if other values came in between. If an update moves a row to another group, the result has two
   * updates.
   */
  reduce(adder: Reducer<V>, subtractor: Reducer<V>, materialized?: Kept<K, V>, named?: Named): KTable<K, V>
  /**
   * Combines all values of a group into one value of any type. When a row changes, the subtractor removes its old value, and then the adder adds the
   * new one.
   *
   * @example
   * ```ts
   * customers
   *   .groupBy((id, customer) => [customer.country, id], Grouped.with(text, text, { name: 'by-country' }))
   *   .aggregate(() => 0, (_, __, count) => count + 1, (_, __, count) => count - 1, Materialized.as('counts', { keySerde: text, valueSerde: Serdes.integer() }))
   * ```
   *
   * @remarks The subtractor must undo the adder. Name the serde of the result, or set `defaultValueSerde`.
   */
  aggregate<A>(
    initializer: () => A,
    adder: Aggregator<K, V, A>,
    subtractor: Aggregator<K, V, A>,
    materialized?: Kept<K, A>,
    named?: Named,
  ): KTable<K, A>
}

interface TableAggregation {
  readonly initialize: (() => unknown) | null
  readonly add: (key: unknown, value: unknown, aggregate: unknown) => unknown
  readonly subtract: (key: unknown, value: unknown, aggregate: unknown) => unknown
}

export class GroupedTable<K, V> implements KGroupedTable<K, V> {
  readonly #graph: StreamsGraph
  readonly #output: string
  readonly #serdes: { readonly key: AnySerde | null; readonly value: AnySerde | null }
  readonly #name: string | null
  #repartitioned: string | null = null

  constructor(graph: StreamsGraph, output: string, serdes: { readonly key: AnySerde | null; readonly value: AnySerde | null }, name: string | null) {
    this.#graph = graph
    this.#output = output
    this.#serdes = serdes
    this.#name = name
  }

  count(materialized?: Kept<K, number>, named?: Named): KTable<K, number> {
    const kept = Materialization.of(materialized, this.#graph, 'KTABLE-AGGREGATE-').or({ key: this.#serdes.key, value: Serdes.long() })
    return this.#aggregated(kept, named, 'KTABLE-AGGREGATE-', { ...counting, subtract: (_key, _value, count) => (count as number) - 1 })
  }

  reduce(adder: Reducer<V>, subtractor: Reducer<V>, materialized?: Kept<K, V>, named?: Named): KTable<K, V> {
    const kept = Materialization.of(materialized, this.#graph, 'KTABLE-AGGREGATE-').or(this.#serdes)
    return this.#aggregated(kept, named, 'KTABLE-REDUCE-', {
      initialize: null,
      add: (_, value, aggregate) => defined(adder(aggregate as V, value as V), 'reduce'),
      subtract: (_, value, aggregate) => defined(subtractor(aggregate as V, value as V), 'reduce'),
    })
  }

  aggregate<A>(
    initializer: () => A,
    adder: Aggregator<K, V, A>,
    subtractor: Aggregator<K, V, A>,
    materialized?: Kept<K, A>,
    named?: Named,
  ): KTable<K, A> {
    const kept = Materialization.of(materialized, this.#graph, 'KTABLE-AGGREGATE-').or({ key: this.#serdes.key, value: null })
    const { initialize, add } = aggregating(initializer, adder)
    const { add: subtract } = aggregating(initializer, subtractor)
    return this.#aggregated(kept, named, 'KTABLE-AGGREGATE-', { initialize, add, subtract })
  }

  #aggregated<A>(kept: Materialization, named: Named | undefined, prefix: string, aggregation: TableAggregation): KTable<K, A> {
    const graph = this.#graph
    const sink = graph.nameOr(named && `${named.name}-sink`, 'KSTREAM-SINK-')
    const source = graph.nameOr(named && `${named.name}-source`, 'KSTREAM-SOURCE-')
    const name = graph.nameOr(named?.name, prefix)
    const parent = this.#repartition(sink, source, `${this.#name ?? kept.store}-repartition`)
    const oldValues = { sent: false }
    const operator: StreamsOperator = { op: 'table-aggregate', store: kept.store, ...aggregation, oldValues }
    graph.add({
      output: name,
      inputs: [parent],
      write: (topology) => topology.addOperator(name, operator, [parent], { stores: [kept.tableStore()] }),
    })
    return new Table({
      graph,
      output: name,
      key: kept.key,
      value: kept.value,
      queryableStoreName: kept.queryableName,
      isVersioned: kept.isVersioned,
      view: () => kept.view,
      sendOldValues: () => {
        oldValues.sent = true
        return true
      },
    })
  }

  #repartition(sink: string, source: string, topic: string): string {
    if (this.#repartitioned !== null && this.#name !== null) return this.#repartitioned
    this.#repartitioned = source
    const serdes = { key: serdeOr(this.#serdes.key, 'key', topic), value: changeSerde(serdeOr(this.#serdes.value, 'value', topic)) as AnySerde }
    const output = this.#output
    this.#graph.add({
      output: source,
      inputs: [output],
      ownTopic: { name: topic, partitions: null },
      write(topology) {
        topology.addInternalTopic(topic, null)
        topology.addSinkWith(sink, topic, [output], { ...serdes, partitioner: null })
        topology.addSourceWith(source, [topic], { ...serdes, timestampExtractor: TimestampExtractors.failOnInvalid })
      },
    })
    return source
  }
}
