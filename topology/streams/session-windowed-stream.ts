import type { StreamsOperator } from '../operators/streams-operators.ts'
import type { Windowed } from '../record.ts'
import type { AnySerde } from '../serde.ts'
import { Serdes } from '../serdes.ts'
import { type Aggregation, type Aggregator, aggregating, counting, type Merger, type Reducer, reducing } from './aggregation.ts'
import { defined } from './defined.ts'
import type { GroupedStream } from './grouped-stream.ts'
import type { KTable } from './ktable.ts'
import { Materialization } from './materialization.ts'
import type { Materialized } from './materialized.ts'
import type { Named } from './options.ts'
import { serdeOr } from './unset-serde.ts'
import { sessionWindowedSerde } from './windowed-serdes.ts'
import type { EmitStrategy, SessionWindows } from './windows.ts'

/** A grouped stream divided into sessions. */
export interface SessionWindowedKStream<K, V> {
  /**
   * Counts the records of each session. A record between two sessions merges them: both rows are deleted, and one row replaces them.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(SessionWindows.ofInactivityGapAndGrace(30 * 60_000, 60_000))
   *   .count(Materialized.as('clicks-a-session', { keySerde: text }))
   * ```
   *
   * @remarks When sessions merge, a null for each old session comes before the update of the merged session. A session's end is the time of its last
   * record.
   */
  count(materialized?: Materialized<K, number, 'session'>, named?: Named): KTable<Windowed<K>, number>
  /**
   * Combines the values of each session into one value. When sessions merge, the same reducer combines their values, the earlier session first.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(30 * 60_000))
   *   .reduce((pages, page) => `${pages} ${page}`, Materialized.as('pages-a-session', { keySerde: text, valueSerde: text }))
   * ```
   */
  reduce(reducer: Reducer<V>, materialized?: Materialized<K, V, 'session'>, named?: Named): KTable<Windowed<K>, V>
  /**
   * Combines the values of each session into one value of any type. The merger combines the values of two sessions that merge.
   *
   * @example
   * ```ts
   * orders
   *   .groupBy((_, order) => order.customer, Grouped.with(text, orderSerde))
   *   .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(30 * 60_000))
   *   .aggregate(
   *     () => 0,
   *     (_, order, sum) => sum + order.total,
   *     (_, left, right) => left + right,
   *     Materialized.as('spent-a-session', { keySerde: text, valueSerde: Serdes.double() }),
   *   )
   * ```
   *
   * @remarks The merger must return the value that the aggregator would return for the records of both sessions together.
   */
  aggregate<A>(
    initializer: () => A,
    aggregator: Aggregator<K, V, A>,
    merger: Merger<K, A>,
    materialized?: Materialized<K, A, 'session'>,
    named?: Named,
  ): KTable<Windowed<K>, A>
  /**
   * Chooses when results are forwarded: at each update, which is the default, or only when the session is over (KIP-825).
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(30 * 60_000))
   *   .emitStrategy(EmitStrategy.onWindowClose())
   *   .count(Materialized.as('sessions', { keySerde: text }))
   * ```
   *
   * @remarks The strategy applies to aggregations that are added after this call. A session is over when a record comes whose time is past the
   * session's end, the gap and the grace. A result is lost if the store has already dropped the session. So make `retentionMs` of the `Materialized`
   * longer than the gap, the grace, and the longest time between two consecutive records of the input (of any key) together.
   */
  emitStrategy(strategy: EmitStrategy): SessionWindowedKStream<K, V>
}

type Merge = (key: unknown, left: unknown, right: unknown) => unknown

export class SessionWindowedStream<K, V> implements SessionWindowedKStream<K, V> {
  readonly #stream: GroupedStream<K, V>
  readonly #windows: SessionWindows
  #emitOnClose = false

  constructor(stream: GroupedStream<K, V>, windows: SessionWindows) {
    this.#stream = stream
    this.#windows = windows
  }

  emitStrategy(strategy: EmitStrategy): SessionWindowedKStream<K, V> {
    this.#emitOnClose = strategy.onClose
    return this
  }

  count(materialized?: unknown, named?: Named): KTable<Windowed<K>, number> {
    const { graph, key } = this.#stream.parts
    if (materialized !== undefined && (materialized as Materialized<K, number, 'session'>).name === null) graph.newStoreName('KSTREAM-AGGREGATE-')
    const kept = Materialization.of(materialized, graph, 'KSTREAM-AGGREGATE-').or({ key, value: Serdes.long() })
    return this.#aggregated(kept, named, 'KSTREAM-AGGREGATE-', counting, (_, left, right) => (left as number) + (right as number))
  }

  reduce(reducer: Reducer<V>, materialized?: unknown, named?: Named): KTable<Windowed<K>, V> {
    const kept = Materialization.of(materialized, this.#stream.parts.graph, 'KSTREAM-REDUCE-').or(this.#stream.parts)
    const reduction = reducing(reducer)
    return this.#aggregated(kept, named, 'KSTREAM-REDUCE-', reduction, (key, left, right) => reduction.add(key, right, left))
  }

  aggregate<A>(
    initializer: () => A,
    aggregator: Aggregator<K, V, A>,
    merger: Merger<K, A>,
    materialized?: unknown,
    named?: Named,
  ): KTable<Windowed<K>, A> {
    const { graph, key } = this.#stream.parts
    const kept = Materialization.of(materialized, graph, 'KSTREAM-AGGREGATE-').or({ key, value: null })
    const aggregation = aggregating(initializer, aggregator)
    const merge = (aKey: unknown, left: unknown, right: unknown) => defined(merger(aKey as K, left as A, right as A), 'aggregate')
    return this.#aggregated(kept, named, 'KSTREAM-AGGREGATE-', aggregation, merge)
  }

  #aggregated<A>(kept: Materialization, named: Named | undefined, prefix: string, aggregation: Aggregation, merge: Merge): KTable<Windowed<K>, A> {
    const windows = this.#windows
    const oldValues = { sent: false }
    // A strategy that is set later applies to later aggregations only, as in Kafka Streams.
    const emitOnClose = this.#emitOnClose
    const operator: StreamsOperator = { op: 'session-aggregate', store: kept.store, windows, ...aggregation, merge, emitOnClose, oldValues }
    const name = this.#stream.parts.graph.nameOr(named?.name, prefix)
    return this.#stream.table(name, operator, kept.sessionStore({ retentionMs: windows.gapMs + windows.graceMs, timeOrdered: emitOnClose }), kept, {
      key: sessionWindowedSerde(serdeOr(kept.key, 'key', kept.store)) as AnySerde,
      value: kept.value,
      view: () => ({ kind: 'store', store: kept.store, of: 'session' }),
      sendOldValues: () => {
        oldValues.sent = true
        return true
      },
      graceMs: windows.gapMs + windows.graceMs,
    })
  }
}
