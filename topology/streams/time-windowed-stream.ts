import type { StreamsOperator } from '../operators/streams.ts'
import type { Windowed } from '../record.ts'
import type { AnySerde } from '../serde.ts'
import { Serdes } from '../serdes.ts'
import { WaggleError } from '../waggle-error.ts'
import { type Aggregation, type Aggregator, aggregating, counting, type GroupedStream, type Reducer, reducing } from './grouped-stream.ts'
import type { KTable } from './ktable.ts'
import { Materialization } from './materialization.ts'
import type { Materialized, Named } from './options.ts'
import { serdeOr } from './unset-serde.ts'
import { timeWindowedSerde } from './windowed-serdes.ts'
import { type EmitStrategy, type SlidingWindows, type TimeWindows, UnlimitedWindows } from './windows.ts'

/** A grouped stream cut into windows of time. */
export interface TimeWindowedKStream<K, V> {
  count(materialized?: Materialized<K, number, 'window'>, named?: Named): KTable<Windowed<K>, number>
  reduce(reducer: Reducer<V>, materialized?: Materialized<K, V, 'window'>, named?: Named): KTable<Windowed<K>, V>
  aggregate<A>(
    initializer: () => A,
    aggregator: Aggregator<K, V, A>,
    materialized?: Materialized<K, A, 'window'>,
    named?: Named,
  ): KTable<Windowed<K>, A>
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
      throw new WaggleError('WAGGLE_INVALID_WINDOW', { message: 'An unlimited window never closes', next: 'Let it emit on update.' })
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
    // As in Kafka Streams: a strategy that is set later is for what is made later.
    const emitOnClose = this.#emitOnClose
    const oldValues = { sent: false }
    const operator: StreamsOperator =
      windows.kind === 'sliding'
        ? { op: 'sliding-aggregate', store: kept.store, windows, ...aggregation, emitOnClose, oldValues }
        : { op: 'window-aggregate', store: kept.store, windows, ...aggregation, emitOnClose, oldValues }
    const windowSizeMs = windows.kind === 'sliding' ? windows.timeDifferenceMs : windows.sizeMs
    const retentionMs = windows.kind === 'unlimited' ? Number.MAX_SAFE_INTEGER : windowSizeMs * (windows.kind === 'sliding' ? 2 : 1) + windows.graceMs
    const name = this.#stream.parts.graph.nameOr(named?.name, prefix)
    const store = kept.windowStore({ windowSizeMs, retentionMs, timeOrdered: emitOnClose })
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
