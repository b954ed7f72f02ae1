import type { StreamsOperator } from '../operators/streams-operators.ts'
import type { Windowed } from '../record.ts'
import type { AnySerde } from '../serde.ts'
import type { KeptStore } from '../state-store.ts'
import { type Aggregation, type Aggregator, aggregating, type Merger } from './aggregation.ts'
import { defined } from './defined.ts'
import type { GroupedStream, KGroupedStream } from './grouped-stream.ts'
import { type KTable, Table, type TableParts } from './ktable.ts'
import { Materialization } from './materialization.ts'
import type { Materialized } from './materialized.ts'
import type { Named } from './options.ts'
import { passThrough } from './pass-through.ts'
import type { Kept } from './shared-types.ts'
import type { StreamsGraph } from './streams-graph.ts'
import { serdeOr } from './unset-serde.ts'
import { sessionWindowedSerde, timeWindowedSerde } from './windowed-serdes.ts'
import { SessionWindows, type SlidingWindows, type TimeWindows, type UnlimitedWindows } from './windows.ts'

/** Several grouped streams that feed one aggregate, each with its own aggregator (KIP-150). */
export interface CogroupedKStream<K, A> {
  /**
   * Adds another grouped stream with its own aggregator to the same aggregate.
   *
   * @example
   * ```ts
   * const bought = orders.groupBy((_, order) => order.customer, Grouped.with(text, orderSerde))
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .cogroup<number>((_, __, points) => points + 1)
   *   .cogroup(bought, (_, __, points) => points + 10)
   *   .aggregate(() => 0, Materialized.as('points', { keySerde: text, valueSerde: Serdes.integer() }))
   * ```
   *
   * @remarks All streams must have the same keys and the same number of partitions.
   */
  cogroup<V>(stream: KGroupedStream<K, V>, aggregator: Aggregator<K, V, A>): CogroupedKStream<K, A>
  /**
   * Aggregates the records of all its streams into one value for each key. The table is stored, with one changelog.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .cogroup<number>((_, __, points) => points + 1)
   *   .aggregate(() => 0, Materialized.as('points', { keySerde: text, valueSerde: Serdes.integer() }))
   * ```
   *
   * @remarks The order between records of two streams is not defined, so the result must not depend on it.
   */
  aggregate(initializer: () => A, materialized?: Kept<K, A>, named?: Named): KTable<K, A>
  /**
   * Divides the aggregate into windows of time or into sessions, by the records' timestamps. Keys of the result are `Windowed`.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .cogroup<number>((_, __, points) => points + 1)
   *   .windowedBy(TimeWindows.ofSizeWithNoGrace(3_600_000))
   *   .aggregate(() => 0, Materialized.as('points-an-hour', { keySerde: text, valueSerde: Serdes.integer() }))
   * ```
   */
  windowedBy(windows: TimeWindows | SlidingWindows | UnlimitedWindows): TimeWindowedCogroupedKStream<K, A>
  windowedBy(windows: SessionWindows): SessionWindowedCogroupedKStream<K, A>
}

export interface TimeWindowedCogroupedKStream<K, A> {
  /**
   * Aggregates the records of all streams into one value for each key and window.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .cogroup<number>((_, __, points) => points + 1)
   *   .windowedBy(TimeWindows.ofSizeAndGrace(3_600_000, 60_000))
   *   .aggregate(() => 0, Materialized.as('points-an-hour', { keySerde: text, valueSerde: Serdes.integer() }))
   * ```
   *
   * @remarks Each update is forwarded. Use `suppress` for one result a window.
   */
  aggregate(initializer: () => A, materialized?: Materialized<K, A, 'window'>, named?: Named): KTable<Windowed<K>, A>
}

export interface SessionWindowedCogroupedKStream<K, A> {
  /**
   * Aggregates the records of all streams into one value for each session. The merger combines the values of two sessions that merge.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .cogroup<number>((_, __, points) => points + 1)
   *   .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(30 * 60_000))
   *   .aggregate(() => 0, (_, left, right) => left + right, Materialized.as('points-a-session', { keySerde: text, valueSerde: Serdes.integer() }))
   * ```
   */
  aggregate(initializer: () => A, merger: Merger<K, A>, materialized?: Materialized<K, A, 'session'>, named?: Named): KTable<Windowed<K>, A>
}

type Untyped = GroupedStream<unknown, unknown>
type AnyAggregator<A> = Aggregator<unknown, unknown, A>

const prefix = 'COGROUPKSTREAM-AGGREGATE-'

export class CogroupedStream<K, A> implements CogroupedKStream<K, A> {
  readonly #graph: StreamsGraph
  readonly #patterns = new Map<Untyped, AnyAggregator<A>>()

  constructor(graph: StreamsGraph) {
    this.#graph = graph
  }

  cogroup<V>(stream: KGroupedStream<K, V>, aggregator: Aggregator<K, V, A>): CogroupedKStream<K, A> {
    this.#graph.refuseStranger((stream as unknown as Untyped).parts.graph)
    this.#patterns.set(stream as unknown as Untyped, aggregator as unknown as AnyAggregator<A>)
    return this
  }

  aggregate(initializer: () => A, materialized?: unknown, named?: Named): KTable<K, A> {
    const kept = this.#kept(materialized)
    const make = (aggregation: Aggregation, oldValues: { sent: boolean }): StreamsOperator => ({
      op: 'stream-aggregate',
      store: kept.store,
      ...aggregation,
      oldValues,
    })
    return this.#table(initializer, kept, named, kept.tableStore(), make, { key: kept.key, of: 'keyValue' })
  }

  windowedBy(windows: TimeWindows | SlidingWindows | UnlimitedWindows | SessionWindows): never {
    if (windows instanceof SessionWindows) {
      return new SessionWindowedCogroupedStream<K, A>((...parts) => this.#sessions(windows, ...parts)) as never
    }
    return new TimeWindowedCogroupedStream<K, A>((...parts) => this.#windows(windows, ...parts)) as never
  }

  #windows(
    windows: TimeWindows | SlidingWindows | UnlimitedWindows,
    initializer: () => A,
    materialized: unknown,
    named: Named | undefined,
  ): KTable<Windowed<K>, A> {
    const kept = this.#kept(materialized)
    const { store } = kept
    const windowSizeMs = windows.kind === 'sliding' ? windows.timeDifferenceMs : windows.sizeMs
    const retentionMs = windows.kind === 'unlimited' ? Number.MAX_SAFE_INTEGER : windowSizeMs * (windows.kind === 'sliding' ? 2 : 1) + windows.graceMs
    const make = (aggregation: Aggregation, oldValues: { sent: boolean }): StreamsOperator =>
      windows.kind === 'sliding'
        ? { op: 'sliding-aggregate', store, windows, ...aggregation, emitOnClose: false, oldValues }
        : { op: 'window-aggregate', store, windows, ...aggregation, emitOnClose: false, oldValues }
    const key = timeWindowedSerde(serdeOr(kept.key, 'key', store), windowSizeMs) as AnySerde
    const rows = kept.windowStore({ windowSizeMs, retentionMs, timeOrdered: false, isSliding: windows.kind === 'sliding' })
    return this.#table(initializer, kept, named, rows, make, { key, of: 'window', graceMs: windows.graceMs })
  }

  #sessions(
    windows: SessionWindows,
    initializer: () => A,
    merger: Merger<K, A>,
    materialized: unknown,
    named: Named | undefined,
  ): KTable<Windowed<K>, A> {
    const kept = this.#kept(materialized)
    const { store } = kept
    const merge = (key: unknown, left: unknown, right: unknown) => defined(merger(key as K, left as A, right as A), 'aggregate')
    const make = (aggregation: Aggregation, oldValues: { sent: boolean }): StreamsOperator => ({
      op: 'session-aggregate',
      store,
      windows,
      ...aggregation,
      merge,
      emitOnClose: false,
      oldValues,
    })
    const graceMs = windows.gapMs + windows.graceMs
    const key = sessionWindowedSerde(serdeOr(kept.key, 'key', store)) as AnySerde
    return this.#table(initializer, kept, named, kept.sessionStore({ retentionMs: graceMs, timeOrdered: false }), make, {
      key,
      of: 'session',
      graceMs,
    })
  }

  #kept(materialized: unknown): Materialization {
    return Materialization.of(materialized, this.#graph, prefix)
  }

  #table<K2>(
    initializer: () => A,
    kept: Materialization,
    named: Named | undefined,
    store: KeptStore,
    make: (aggregation: Aggregation, oldValues: { sent: boolean }) => StreamsOperator,
    { key, of, graceMs }: { readonly key: AnySerde | null; readonly of: 'keyValue' | 'window' | 'session'; readonly graceMs?: number },
  ): KTable<K2, A> {
    const graph = this.#graph
    const oldValues = { sent: false }
    const sources = [...this.#patterns.keys()].map((stream) => stream.sourceFor(kept))
    const names = [...this.#patterns.values()].map((aggregator, at) => {
      const name = graph.nameOr(named && `${named.name}-cogroup-agg-${at}`, prefix)
      const operator = make(aggregating(initializer, aggregator), oldValues)
      const source = sources[at] ?? ''
      graph.add({ output: name, inputs: [source], write: (topology) => topology.addOperator(name, operator, [source], { stores: [store] }) })
      return name
    })
    const merge = graph.nameOr(named && `${named.name}-cogroup-merge`, 'COGROUPKSTREAM-MERGE-')
    graph.add({ output: merge, inputs: names, copartitioned: names, write: (topology) => topology.addOperator(merge, passThrough, names) })
    const parts: TableParts = {
      graph,
      output: merge,
      key,
      value: kept.value,
      queryableStoreName: kept.queryableName,
      isVersioned: kept.isVersioned,
      view: () => (of === 'keyValue' ? kept.view : { kind: 'store', store: kept.store, of }),
      sendOldValues: () => {
        oldValues.sent = true
        return true
      },
      ...(graceMs === undefined ? {} : { graceMs }),
    }
    return new Table<K2, A>(parts)
  }
}

type TimeAggregate<K, A> = (initializer: () => A, materialized: unknown, named: Named | undefined) => KTable<Windowed<K>, A>

export class TimeWindowedCogroupedStream<K, A> implements TimeWindowedCogroupedKStream<K, A> {
  readonly #aggregate: TimeAggregate<K, A>

  constructor(aggregate: TimeAggregate<K, A>) {
    this.#aggregate = aggregate
  }

  aggregate(initializer: () => A, materialized?: unknown, named?: Named): KTable<Windowed<K>, A> {
    return this.#aggregate(initializer, materialized, named)
  }
}

type SessionAggregate<K, A> = (initializer: () => A, merger: Merger<K, A>, materialized: unknown, named: Named | undefined) => KTable<Windowed<K>, A>

export class SessionWindowedCogroupedStream<K, A> implements SessionWindowedCogroupedKStream<K, A> {
  readonly #aggregate: SessionAggregate<K, A>

  constructor(aggregate: SessionAggregate<K, A>) {
    this.#aggregate = aggregate
  }

  aggregate(initializer: () => A, merger: Merger<K, A>, materialized?: unknown, named?: Named): KTable<Windowed<K>, A> {
    return this.#aggregate(initializer, merger, materialized, named)
  }
}
