import type { StreamsOperator } from '../operators/streams-operators.ts'
import type { Windowed } from '../record.ts'
import type { AnySerde } from '../serde.ts'
import { Serdes } from '../serdes.ts'
import { WaggleError } from '../waggle-error.ts'
import { type Aggregation, type Aggregator, aggregating, counting, type Reducer, reducing } from './aggregation.ts'
import type { GroupedStream } from './grouped-stream.ts'
import type { KTable } from './ktable.ts'
import { Materialization } from './materialization.ts'
import type { Materialized } from './materialized.ts'
import type { Named } from './options.ts'
import { serdeOr } from './unset-serde.ts'
import { timeWindowedSerde } from './windowed-serdes.ts'
import { type EmitStrategy, type SlidingWindows, type TimeWindows, UnlimitedWindows } from './windows.ts'

/** A grouped stream divided into windows of time. */
export interface TimeWindowedKStream<K, V> {
  /**
   * Counts the records of each key in each window. The table is stored in a window store, with a changelog, for as long as windows can change.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(TimeWindows.ofSizeWithNoGrace(60_000))
   *   .count(Materialized.as('clicks-a-minute', { keySerde: text }))
   * ```
   *
   * @remarks Each record gives an update, so a window has many results. Use `emitStrategy` or `suppress` for a single result.
   */
  count(materialized?: Materialized<K, number, 'window'>, named?: Named): KTable<Windowed<K>, number>
  /**
   * Combines the values of a key in each window into one value. The first value is taken as it is.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(60_000, 5_000))
   *   .reduce((pages, page) => `${pages} ${page}`, Materialized.as('pages', { keySerde: text, valueSerde: text }))
   * ```
   *
   * @remarks A record that is in several windows (hopping, sliding) is added to each window. The cost of the record grows with the number of windows.
   */
  reduce(reducer: Reducer<V>, materialized?: Materialized<K, V, 'window'>, named?: Named): KTable<Windowed<K>, V>
  /**
   * Combines the values of a key in each window into one value of any type.
   *
   * @example
   * ```ts
   * orders
   *   .groupByKey(Grouped.with(text, orderSerde))
   *   .windowedBy(TimeWindows.ofSizeAndGrace(3_600_000, 60_000).advanceBy(60_000))
   *   .aggregate(() => 0, (_, order, sum) => sum + order.total, Materialized.as('hourly', { keySerde: text, valueSerde: Serdes.double() }))
   * ```
   *
   * @remarks `retentionMs` of the `Materialized` must be at least the window and its grace (WAGGLE_INVALID_WINDOW). With a longer retention, old
   * windows can be queried.
   */
  aggregate<A>(
    initializer: () => A,
    aggregator: Aggregator<K, V, A>,
    materialized?: Materialized<K, A, 'window'>,
    named?: Named,
  ): KTable<Windowed<K>, A>
  /**
   * Chooses when results are forwarded: at each update, which is the default, or only when the window is closed (KIP-825).
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(TimeWindows.ofSizeAndGrace(60_000, 10_000))
   *   .emitStrategy(EmitStrategy.onWindowClose())
   *   .count(Materialized.as('closed-minutes', { keySerde: text }))
   * ```
   *
   * @remarks The strategy applies to aggregations that are added after this call. A window closes when a record comes whose time is past the window's
   * end and the grace. Throws WAGGLE_INVALID_WINDOW for unlimited windows, because they never close. A result is lost if the store has already
   * dropped the window. So make `retentionMs` of the `Materialized`
   * longer than the size, the grace, and the longest time between two consecutive records of the input (of any key) together.
   */
  emitStrategy(strategy: EmitStrategy): TimeWindowedKStream<K, V>
}

export class TimeWindowedStream<K, V> implements TimeWindowedKStream<K, V> {
  readonly #stream: GroupedStream<K, V>
  readonly #windows: TimeWindows | SlidingWindows | UnlimitedWindows
  #emitOnClose = false

  constructor(stream: GroupedStream<K, V>, windows: TimeWindows | SlidingWindows | UnlimitedWindows) {
    this.#stream = stream
    this.#windows = windows
  }

  emitStrategy(strategy: EmitStrategy): TimeWindowedKStream<K, V> {
    if (strategy.onClose && this.#windows instanceof UnlimitedWindows) {
      throw new WaggleError('WAGGLE_INVALID_WINDOW', {
        message: 'An unlimited window never closes',
        next: 'Let unlimited windows emit on each update: EmitStrategy.onWindowUpdate().',
      })
    }
    this.#emitOnClose = strategy.onClose
    return this
  }

  count(materialized?: unknown, named?: Named): KTable<Windowed<K>, number> {
    const { graph, key } = this.#stream.parts
    const isDescribed = materialized !== undefined && (materialized as Materialized<K, number, 'window'>).name === null
    if (isDescribed && this.#windows.kind !== 'sliding') graph.newStoreName('KSTREAM-AGGREGATE-')
    const kept = Materialization.of(materialized, graph, 'KSTREAM-AGGREGATE-').or({ key, value: Serdes.long() })
    return this.#aggregated(kept, named, 'KSTREAM-AGGREGATE-', counting)
  }

  reduce(reducer: Reducer<V>, materialized?: unknown, named?: Named): KTable<Windowed<K>, V> {
    const kept = Materialization.of(materialized, this.#stream.parts.graph, 'KSTREAM-REDUCE-').or(this.#stream.parts)
    return this.#aggregated(kept, named, 'KSTREAM-REDUCE-', reducing(reducer))
  }

  aggregate<A>(initializer: () => A, aggregator: Aggregator<K, V, A>, materialized?: unknown, named?: Named): KTable<Windowed<K>, A> {
    const { graph, key } = this.#stream.parts
    const kept = Materialization.of(materialized, graph, 'KSTREAM-AGGREGATE-').or({ key, value: null })
    return this.#aggregated(kept, named, 'KSTREAM-AGGREGATE-', aggregating(initializer, aggregator))
  }

  #aggregated<A>(kept: Materialization, named: Named | undefined, prefix: string, aggregation: Aggregation): KTable<Windowed<K>, A> {
    const windows = this.#windows
    // A strategy that is set later applies to later aggregations only, as in Kafka Streams.
    const emitOnClose = this.#emitOnClose
    const oldValues = { sent: false }
    const operator: StreamsOperator =
      windows.kind === 'sliding'
        ? { op: 'sliding-aggregate', store: kept.store, windows, ...aggregation, emitOnClose, oldValues }
        : { op: 'window-aggregate', store: kept.store, windows, ...aggregation, emitOnClose, oldValues }
    const windowSizeMs = windows.kind === 'sliding' ? windows.timeDifferenceMs : windows.sizeMs
    const retentionMs = windows.kind === 'unlimited' ? Number.MAX_SAFE_INTEGER : windowSizeMs * (windows.kind === 'sliding' ? 2 : 1) + windows.graceMs
    const name = this.#stream.parts.graph.nameOr(named?.name, prefix)
    const store = kept.windowStore({ windowSizeMs, retentionMs, timeOrdered: emitOnClose, isSliding: windows.kind === 'sliding' })
    return this.#stream.table(name, operator, store, kept, {
      key: timeWindowedSerde(serdeOr(kept.key, 'key', kept.store), windowSizeMs) as AnySerde,
      value: kept.value,
      view: () => ({ kind: 'store', store: kept.store, of: 'window' }),
      sendOldValues: () => {
        oldValues.sent = true
        return true
      },
      graceMs: windows.graceMs,
    })
  }
}
