import type { Consumed } from '../consumed.ts'
import type { ProcessOptions, TopicNameExtractor, Topology } from '../graph.ts'
import type { Forward, StreamsOperator } from '../operators/streams.ts'
import type { FixedKeyProcessorSupplier, ProcessorSupplier } from '../processor-api.ts'
import type { Produced } from '../produced.ts'
import type { KeyValue, Record } from '../record.ts'
import type { AnySerde } from '../serde.ts'
import { WaggleError } from '../waggle-error.ts'
import { type AsyncCallOf, type AsyncOptions, AsyncStream, type BatchedKStream, type BatchOptions } from './async-stream.ts'
import { type BranchedKStream, SplitStream } from './branched-stream.ts'
import { defined } from './defined.ts'
import { fixedKey } from './fixed-key.ts'
import { GlobalKTable } from './global-table.ts'
import { GroupedStream, type KGroupedStream } from './grouped-stream.ts'
import { joinBuffer, refuseShortHistory } from './join-buffer.ts'
import { type KTable, Table } from './ktable.ts'
import { Materialization } from './materialization.ts'
import { type Grouped, type Joined, type Materialized, Named, type Repartitioned, type StreamJoined } from './options.ts'
import { passThrough } from './pass-through.ts'
import { addRepartition, countRepartition } from './repartition.ts'
import { joinStreams } from './stream-stream-join.ts'
import type { StreamsGraph } from './streams-graph.ts'
import { storesOf } from './table-view.ts'
import { serdeOr } from './unset-serde.ts'
import type { JoinWindows } from './windows.ts'

type Some<T> = NonNullable<T>
type Predicate<K, V> = (key: K, value: V) => boolean
type Selector<K, V, K2> = (key: K, value: Some<V>) => K2 | null
type Joiner<K, L, R, W> = (left: L, right: R, key: K) => W
type Kept<K, V> = Materialized<K, V, 'keyValue' | 'versioned'>
type Both<K, V, V2> = StreamJoined<Some<K>, Some<V>, Some<V2>>

/** An endless sequence of records, each a fact of its own. */
export interface KStream<K, V> {
  /** A predicate that narrows the value narrows the stream: `.filter((key, value) => value !== null)`. */
  filter<W extends V>(predicate: (key: K, value: V) => value is W, named?: Named): KStream<K, W>
  filter(predicate: Predicate<K, V>, named?: Named): KStream<K, V>
  filterNot(predicate: Predicate<K, V>, named?: Named): KStream<K, V>
  selectKey<K2>(selector: (key: K, value: V) => K2, named?: Named): KStream<K2, V>
  map<K2, V2>(mapper: (key: K, value: V) => KeyValue<K2, V2>, named?: Named): KStream<K2, V2>
  mapValues<W>(mapper: (value: V, key: K) => W, named?: Named): KStream<K, W>
  flatMap<K2, V2>(mapper: (key: K, value: V) => Iterable<KeyValue<K2, V2>>, named?: Named): KStream<K2, V2>
  flatMapValues<W>(mapper: (value: V, key: K) => Iterable<W>, named?: Named): KStream<K, W>
  peek(action: (key: K, value: V) => void, named?: Named): KStream<K, V>
  foreach(action: (key: K, value: V) => void, named?: Named): void
  merge(other: KStream<K, V>, named?: Named): KStream<K, V>
  split(named?: Named): BranchedKStream<K, V>
  repartition(repartitioned?: Repartitioned<Some<K>, Some<V>>): KStream<K, V>
  to(topic: string | TopicNameExtractor<K, V>, produced?: Produced<Some<K>, Some<V>>): void
  toTable(materialized?: Kept<Some<K>, Some<V>>, named?: Named): KTable<Some<K>, Some<V>>
  /** Null keys and null values are dropped and counted in `dropped-records-total`, here and in inner joins. */
  groupByKey(grouped?: Grouped<Some<K>, Some<V>>): KGroupedStream<Some<K>, Some<V>>
  groupBy<K2>(selector: (key: K, value: V) => K2, grouped?: Grouped<Some<K2>, Some<V>>): KGroupedStream<Some<K2>, Some<V>>
  /** A null value joins nothing. A null key joins nothing either, but left and outer joins let it out unmatched (KIP-962). */
  join<V2, W>(
    other: KStream<K | null, V2>,
    joiner: Joiner<Some<K>, Some<V>, Some<V2>, W>,
    windows: JoinWindows,
    joined?: Both<K, V, V2>,
  ): KStream<Some<K>, W>
  join<V2, W>(table: KTable<Some<K>, V2>, joiner: Joiner<Some<K>, Some<V>, V2, W>, joined?: Joined<Some<K>, Some<V>, V2>): KStream<Some<K>, W>
  join<K2, V2, W>(table: GlobalKTable<K2, V2>, selector: Selector<K, V, K2>, joiner: Joiner<K, Some<V>, V2, W>, named?: Named): KStream<K, W>
  leftJoin<V2, W>(
    other: KStream<K | null, V2>,
    joiner: Joiner<K, Some<V>, Some<V2> | null, W>,
    windows: JoinWindows,
    joined?: Both<K, V, V2>,
  ): KStream<K, W>
  leftJoin<V2, W>(table: KTable<Some<K>, V2>, joiner: Joiner<K, Some<V>, V2 | null, W>, joined?: Joined<Some<K>, Some<V>, V2>): KStream<K, W>
  leftJoin<K2, V2, W>(
    table: GlobalKTable<K2, V2>,
    selector: Selector<K, V, K2>,
    joiner: Joiner<K, Some<V>, V2 | null, W>,
    named?: Named,
  ): KStream<K, W>
  outerJoin<V2, W>(
    other: KStream<K | null, V2>,
    joiner: Joiner<K, Some<V> | null, Some<V2> | null, W>,
    windows: JoinWindows,
    joined?: Both<K, V, V2>,
  ): KStream<K, W>
  process<K2, V2>(supplier: ProcessorSupplier<K, V, K2, V2>, options?: ProcessOptions): KStream<K2, V2>
  processValues<W>(supplier: FixedKeyProcessorSupplier<K, V, W>, options?: ProcessOptions): KStream<K, W>
  /** Beyond Kafka Streams: calls that take time. The commit position stays at the oldest record that is not done. */
  mapAsync<W>(mapper: (value: V, call: AsyncCallOf<K>) => Promise<W>, options: AsyncOptions): KStream<K, W>
  /** Beyond Kafka Streams: at most `size` records, none waiting past `timeoutMs`; unless `full`, closed once the next step is idle. */
  batch(options: BatchOptions): BatchedKStream<K, V>
}

export interface StreamParts {
  readonly graph: StreamsGraph
  /** The node that it comes out of. */
  readonly output: string
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  /** Its keys were changed since they decided the partition. */
  readonly mustRepartition: boolean
}

type Untyped = Stream<unknown, unknown>

export class Stream<K, V> implements KStream<K, V> {
  readonly parts: StreamParts
  /** Made once for all joins and groupings of this stream. */
  #repartitioned: StreamParts | null = null

  constructor(parts: StreamParts) {
    this.parts = parts
  }

  filter(predicate: Predicate<K, V>, named?: Named): never {
    return this.#filtered(predicate, named) as never
  }

  filterNot(predicate: Predicate<K, V>, named?: Named): KStream<K, V> {
    return this.#filtered((key, value) => !predicate(key, value), named)
  }

  selectKey<K2>(selector: (key: K, value: V) => K2, named?: Named): KStream<K2, V> {
    return this.#rekeyed(selector, named)
  }

  map<K2, V2>(mapper: (key: K, value: V) => KeyValue<K2, V2>, named?: Named): KStream<K2, V2> {
    return this.#each('KSTREAM-MAP-', named, { key: null, value: null, mustRepartition: true }, (record, forward) => {
      const [key, value] = mapper(record.key, record.value)
      forward({ ...record, key: defined(key, 'map'), value: defined(value, 'map') })
    })
  }

  mapValues<W>(mapper: (value: V, key: K) => W, named?: Named): KStream<K, W> {
    return this.#each('KSTREAM-MAPVALUES-', named, { value: null }, (record, forward) =>
      forward({ ...record, value: defined(mapper(record.value, record.key), 'mapValues') }),
    )
  }

  flatMap<K2, V2>(mapper: (key: K, value: V) => Iterable<KeyValue<K2, V2>>, named?: Named): KStream<K2, V2> {
    return this.#each('KSTREAM-FLATMAP-', named, { key: null, value: null, mustRepartition: true }, (record, forward) => {
      for (const [key, value] of mapper(record.key, record.value))
        forward({ ...record, key: defined(key, 'flatMap'), value: defined(value, 'flatMap') })
    })
  }

  flatMapValues<W>(mapper: (value: V, key: K) => Iterable<W>, named?: Named): KStream<K, W> {
    return this.#each('KSTREAM-FLATMAPVALUES-', named, { value: null }, (record, forward) => {
      for (const value of mapper(record.value, record.key)) forward({ ...record, value: defined(value, 'flatMapValues') })
    })
  }

  peek(action: (key: K, value: V) => void, named?: Named): KStream<K, V> {
    return this.#each('KSTREAM-PEEK-', named, {}, (record, forward) => {
      action(record.key, record.value)
      forward(record)
    })
  }

  foreach(action: (key: K, value: V) => void, named?: Named): void {
    this.#each('KSTREAM-FOREACH-', named, {}, (record) => action(record.key, record.value))
  }

  merge(other: KStream<K, V>, named?: Named): KStream<K, V> {
    const { graph, output, mustRepartition } = this.parts
    const others = partsOf(other)
    graph.refuseStranger(others.graph)
    const name = graph.nameOr(named?.name, 'KSTREAM-MERGE-')
    graph.add({
      output: name,
      inputs: [output, others.output],
      isMerge: true,
      write: (topology) => topology.addOperator(name, passThrough, [output, others.output]),
    })
    return new Stream({ graph, output: name, key: null, value: null, mustRepartition: mustRepartition || others.mustRepartition })
  }

  split(named?: Named): BranchedKStream<K, V> {
    return new SplitStream(this.parts, this.parts.graph.nameOr(named?.name, 'KSTREAM-BRANCH-'))
  }

  repartition(repartitioned?: Repartitioned<Some<K>, Some<V>>): KStream<K, V> {
    const { graph, output } = this.parts
    const options = repartitioned?.options
    const name = options?.name ?? graph.newName('KSTREAM-REPARTITION-')
    const key = repartitioned?.key ?? this.parts.key
    const value = repartitioned?.value ?? this.parts.value
    const source = addRepartition(graph, output, name, {
      key,
      value,
      partitioner: options?.partitioner ?? null,
      partitions: options?.numberOfPartitions ?? null,
      asked: true,
    })
    return new Stream({ graph, output: source, key, value, mustRepartition: false })
  }

  to(topic: string | TopicNameExtractor<K, V>, produced?: Produced<Some<K>, Some<V>>): void {
    const { graph, output } = this.parts
    const name = graph.nameOr(produced?.options.name, 'KSTREAM-SINK-')
    const key = serdeOr(produced?.key ?? this.parts.key, 'key', name)
    const value = serdeOr(produced?.value ?? this.parts.value, 'value', name)
    const partitioner = produced?.options.partitioner ?? null
    graph.add({
      output: name,
      inputs: [output],
      write: (topology) => topology.addSinkWith(name, topic as never, [output], { key, value, partitioner }),
    })
  }

  toTable(materialized?: Kept<Some<K>, Some<V>>, named?: Named): KTable<Some<K>, Some<V>> {
    const { graph } = this.parts
    const name = graph.nameOr(named?.name, 'KSTREAM-TOTABLE-')
    const kept = Materialization.of(materialized, graph, 'KSTREAM-TOTABLE-').or(this.parts)
    const output = this.parts.mustRepartition
      ? addRepartition(graph, this.parts.output, name, { ...kept, partitioner: null, partitions: null })
      : this.parts.output
    return Table.fromStream(graph, name, output, kept)
  }

  groupByKey(grouped?: Grouped<Some<K>, Some<V>>): KGroupedStream<Some<K>, Some<V>> {
    const { key, value } = this.parts
    return new GroupedStream({ ...this.parts, key: grouped?.key ?? key, value: grouped?.value ?? value }, grouped?.name ?? null)
  }

  groupBy<K2>(selector: (key: K, value: V) => K2, grouped?: Grouped<Some<K2>, Some<V>>): KGroupedStream<Some<K2>, Some<V>> {
    const selected = this.#rekeyed(selector, grouped?.name ? Named.as(grouped.name) : undefined)
    return new GroupedStream({ ...selected.parts, key: grouped?.key ?? null, value: grouped?.value ?? this.parts.value }, grouped?.name ?? null)
  }

  join(other: unknown, second: unknown, third?: unknown, fourth?: unknown): never {
    return this.#join(other, second, third, fourth, { left: false, right: false })
  }

  leftJoin(other: unknown, second: unknown, third?: unknown, fourth?: unknown): never {
    return this.#join(other, second, third, fourth, { left: true, right: false })
  }

  outerJoin(other: unknown, second: unknown, third?: unknown, fourth?: unknown): never {
    return this.#join(other, second, third, fourth, { left: true, right: true })
  }

  process<K2, V2>(supplier: ProcessorSupplier<K, V, K2, V2>, { stores, named }: ProcessOptions = {}): KStream<K2, V2> {
    const { graph, output } = this.parts
    const name = named?.name ?? graph.newName('KSTREAM-PROCESSOR-')
    graph.add({
      output: name,
      inputs: [output],
      changes: { key: true, value: true },
      write: (topology) => topology.addProcessor(name, supplier, [output], stores === undefined ? {} : { stores }),
    })
    return new Stream({ graph, output: name, key: null, value: null, mustRepartition: true })
  }

  processValues<W>(supplier: FixedKeyProcessorSupplier<K, V, W>, { stores, named }: ProcessOptions = {}): KStream<K, W> {
    const { graph, output, key, mustRepartition } = this.parts
    const name = named?.name ?? graph.newName('KSTREAM-PROCESSVALUES-')
    graph.add({
      output: name,
      inputs: [output],
      changes: { value: true },
      write: (topology) => topology.addProcessor(name, () => fixedKey(supplier), [output], stores === undefined ? {} : { stores }),
    })
    return new Stream({ graph, output: name, key, value: null, mustRepartition })
  }

  mapAsync<W>(mapper: (value: V, call: AsyncCallOf<K>) => Promise<W>, options: AsyncOptions): KStream<K, W> {
    return new AsyncStream<K, V>(this.parts, null).mapEach(mapper, options)
  }

  batch(options: BatchOptions): BatchedKStream<K, V> {
    return new AsyncStream<K, V>(this.parts, options)
  }

  /** The same stream with its keys in their partitions, for a join or a grouping. */
  repartitionedFor(name: string | null, key: AnySerde | null, value: AnySerde | null): StreamParts {
    if (!this.parts.mustRepartition) return this.parts
    const { graph, output } = this.parts
    if (name === null && this.#repartitioned !== null) {
      countRepartition(graph)
      return this.#repartitioned
    }
    const serdes = { key: key ?? this.parts.key, value: value ?? this.parts.value }
    const source = addRepartition(graph, output, name ?? output, { ...serdes, partitioner: null, partitions: null })
    const parts = { graph, output: source, ...serdes, mustRepartition: false }
    if (name === null) this.#repartitioned = parts
    return parts
  }

  #join(other: unknown, second: unknown, third: unknown, fourth: unknown, outer: { left: boolean; right: boolean }): never {
    if (other instanceof GlobalKTable) return this.#joinGlobal(other, second, third, fourth as Named | undefined, outer.left) as never
    const join = second as (left: unknown, right: unknown, key: unknown) => unknown
    if (other instanceof Table) return this.#joinTable(other, join, third as Joined<never, never, never> | undefined, outer.left) as never
    return joinStreams(
      this as Untyped,
      other as Untyped,
      join,
      third as JoinWindows,
      fourth as StreamJoined<never, never, never> | undefined,
      outer,
    ) as never
  }

  #joinTable(
    table: Table<unknown, unknown>,
    joiner: (left: unknown, right: unknown, key: unknown) => unknown,
    joined: Joined<never, never, never> | undefined,
    left: boolean,
  ): KStream<unknown, unknown> {
    this.parts.graph.refuseStranger(table.parts.graph)
    const { graph, output, key } = this.repartitionedFor(joined?.name ?? null, joined?.key ?? null, joined?.value ?? null)
    const name = graph.nameOr(joined?.name, left ? 'KSTREAM-LEFTJOIN-' : 'KSTREAM-JOIN-')
    const view = table.view()
    const graceMs = joined?.gracePeriodMs ?? null
    const serdes = { key: joined?.key ?? key, value: joined?.value ?? this.parts.value }
    const buffer = graceMs === null ? null : joinBuffer(`${name}-Buffer`, graceMs, view, serdes)
    const operator: StreamsOperator = {
      op: 'stream-table-join',
      table: view,
      keyOf: (streamKey) => streamKey,
      join: (recordKey, value, tableValue) => defined(joiner(value, tableValue, recordKey), 'join'),
      left,
      buffer: buffer?.of ?? null,
      serdes: buffer?.serdes ?? {},
    }
    graph.add({
      output: name,
      inputs: [output],
      relaxesNullKeys: left,
      write(topology) {
        if (graceMs !== null) refuseShortHistory(topology, storesOf(view), graceMs)
        topology.addOperator(name, operator, [output], { stores: [...(buffer?.stores ?? []), ...storesOf(view)] })
      },
    })
    return new Stream({ graph, output: name, key: joined?.key ?? key, value: null, mustRepartition: false })
  }

  #joinGlobal(
    table: GlobalKTable<unknown, unknown>,
    selector: unknown,
    joiner: unknown,
    named: Named | undefined,
    left: boolean,
  ): KStream<unknown, unknown> {
    const { graph, output } = this.parts
    const name = graph.nameOr(named?.name, 'KSTREAM-LEFTJOIN-')
    const operator: StreamsOperator = {
      op: 'stream-table-join',
      table: table.view,
      buffer: null,
      serdes: {},
      keyOf: (key, value) => defined((selector as Selector<unknown, unknown, unknown>)(key, value as Some<unknown>), 'join'),
      join: (key, value, tableValue) => defined((joiner as Joiner<unknown, unknown, unknown, unknown>)(value, tableValue, key), 'join'),
      left,
    }
    graph.add({ output: name, inputs: [output], relaxesNullKeys: left, write: (topology) => topology.addOperator(name, operator, [output]) })
    return new Stream({ ...this.parts, output: name, value: null })
  }

  #filtered(predicate: Predicate<K, V>, named: Named | undefined): KStream<K, V> {
    return this.#each('KSTREAM-FILTER-', named, {}, (record, forward) => {
      if (predicate(record.key, record.value)) forward(record)
    })
  }

  #rekeyed<K2>(selector: (key: K, value: V) => K2, named: Named | undefined): Stream<K2, V> {
    return this.#each('KSTREAM-KEY-SELECT-', named, { key: null, mustRepartition: true }, (record, forward) =>
      forward({ ...record, key: defined(selector(record.key, record.value), 'selectKey or groupBy') }),
    )
  }

  #each<K2, V2>(
    prefix: string,
    named: Named | undefined,
    changed: Partial<Pick<StreamParts, 'key' | 'value' | 'mustRepartition'>>,
    each: (record: Record<K, V>, forward: Forward) => void,
  ): Stream<K2, V2> {
    const { graph, output } = this.parts
    const name = graph.nameOr(named?.name, prefix)
    const operator: StreamsOperator = { op: 'each', each: each as (record: Record<unknown, unknown>, forward: Forward) => void }
    const changes = { key: changed.mustRepartition === true, value: 'value' in changed }
    graph.add({ output: name, inputs: [output], changes, write: (topology) => topology.addOperator(name, operator, [output]) })
    return new Stream({ ...this.parts, ...changed, output: name })
  }
}

function partsOf(stream: KStream<never, never> | KStream<unknown, unknown>): StreamParts {
  if (stream instanceof Stream) return stream.parts
  throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', { message: 'This stream was not made by a StreamsBuilder', next: 'Use one that was.' })
}

export function addStreamSource(graph: StreamsGraph, topics: string | readonly string[] | RegExp, consumed: Consumed<unknown, unknown>): StreamParts {
  const name = graph.nameOr(consumed.options.name, 'KSTREAM-SOURCE-')
  const source = { topics, offsetReset: consumed.options.offsetReset ?? null }
  graph.add({ output: name, inputs: [], source, write: (topology: Topology) => topology.addSource(name, topics, consumed) })
  return { graph, output: name, key: consumed.key, value: consumed.value, mustRepartition: false }
}
