import type { Consumed } from '../consumed.ts'
import type { ProcessOptions, TopicNameExtractor, Topology } from '../graph.ts'
import type { Forward, StreamsOperator } from '../operators/streams.ts'
import type {
  Cancellable,
  FixedKeyProcessorContext,
  FixedKeyProcessorSupplier,
  ProcessorContext,
  ProcessorSupplier,
  PunctuationType,
  Punctuator,
} from '../processor-api.ts'
import type { Produced, StreamPartitioner } from '../produced.ts'
import type { KeyValue, NewRecord, Record, RecordMetadata } from '../record.ts'
import type { AnySerde } from '../serde.ts'
import type { StateStore, StoreBuilder } from '../state-store.ts'
import { WaggleError } from '../waggle-error.ts'
import { GroupedStream, type KGroupedStream } from './grouped-stream.ts'
import { type KTable, Table } from './ktable.ts'
import { Materialization } from './materialization.ts'
import { type Grouped, type Joined, type Materialized, Named, type Repartitioned, type StreamJoined } from './options.ts'
import { joinStreams } from './stream-stream-join.ts'
import type { StreamsGraph } from './streams-graph.ts'
import { storesOf } from './table-view.ts'
import { serdeOr } from './unset-serde.ts'
import type { JoinWindows } from './windows.ts'

type Some<T> = NonNullable<T>
type Predicate<K, V> = (key: K, value: V) => boolean
type Joiner<K, L, R, W> = (left: L, right: R, key: K) => W
type Kept<K, V> = Materialized<K, V, 'keyValue'>
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
  leftJoin<V2, W>(
    other: KStream<K | null, V2>,
    joiner: Joiner<K, Some<V>, Some<V2> | null, W>,
    windows: JoinWindows,
    joined?: Both<K, V, V2>,
  ): KStream<K, W>
  leftJoin<V2, W>(table: KTable<Some<K>, V2>, joiner: Joiner<K, Some<V>, V2 | null, W>, joined?: Joined<Some<K>, Some<V>, V2>): KStream<K, W>
  outerJoin<V2, W>(
    other: KStream<K | null, V2>,
    joiner: Joiner<K, Some<V> | null, Some<V2> | null, W>,
    windows: JoinWindows,
    joined?: Both<K, V, V2>,
  ): KStream<K, W>
  process<K2, V2>(supplier: ProcessorSupplier<K, V, K2, V2>, options?: ProcessOptions & { named?: Named }): KStream<K2, V2>
  processValues<W>(supplier: FixedKeyProcessorSupplier<K, V, W>, options?: ProcessOptions & { named?: Named }): KStream<K, W>
}

/** A record goes to the first branch whose predicate holds; the map has the branches that no consumer took. */
export interface BranchedKStream<K, V> {
  branch(predicate: Predicate<K, V>, branched?: Branched<K, V>): BranchedKStream<K, V>
  defaultBranch(branched?: Branched<K, V>): ReadonlyMap<string, KStream<K, V>>
  noDefaultBranch(): ReadonlyMap<string, KStream<K, V>>
}

/** How a branch is called and what becomes of it. */
export class Branched<K, V> {
  readonly name: string | null
  readonly chain: ((stream: KStream<K, V>) => KStream<K, V> | null) | null
  declare private readonly types: ['branched', K, V]

  private constructor(name: string | null, chain: Branched<K, V>['chain']) {
    this.name = name
    this.chain = chain
  }

  static as<K, V>(name: string): Branched<K, V> {
    return new Branched(name, null)
  }

  static withConsumer<K, V>(consumer: (stream: KStream<K, V>) => void, named?: Named): Branched<K, V> {
    return new Branched(named?.name ?? null, (stream: KStream<K, V>) => {
      consumer(stream)
      return null
    })
  }

  static withFunction<K, V>(chain: (stream: KStream<K, V>) => KStream<K, V>, named?: Named): Branched<K, V> {
    return new Branched(named?.name ?? null, chain)
  }
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
      forward({ ...record, key, value: defined(value, 'map') })
    })
  }

  mapValues<W>(mapper: (value: V, key: K) => W, named?: Named): KStream<K, W> {
    return this.#each('KSTREAM-MAPVALUES-', named, { value: null }, (record, forward) =>
      forward({ ...record, value: defined(mapper(record.value, record.key), 'mapValues') }),
    )
  }

  flatMap<K2, V2>(mapper: (key: K, value: V) => Iterable<KeyValue<K2, V2>>, named?: Named): KStream<K2, V2> {
    return this.#each('KSTREAM-FLATMAP-', named, { key: null, value: null, mustRepartition: true }, (record, forward) => {
      for (const [key, value] of mapper(record.key, record.value)) forward({ ...record, key, value: defined(value, 'flatMap') })
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
    const name = named?.name ?? graph.newName('KSTREAM-MERGE-')
    graph.add({
      output: name,
      inputs: [output, others.output],
      write: (topology) => topology.addOperator(name, passThrough, [output, others.output]),
    })
    return new Stream({ graph, output: name, key: null, value: null, mustRepartition: mustRepartition || others.mustRepartition })
  }

  split(named?: Named): BranchedKStream<K, V> {
    return new SplitStream(this.parts, named?.name ?? this.parts.graph.newName('KSTREAM-BRANCH-'))
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
    })
    return new Stream({ graph, output: source, key, value, mustRepartition: false })
  }

  to(topic: string | TopicNameExtractor<K, V>, produced?: Produced<Some<K>, Some<V>>): void {
    const { graph, output } = this.parts
    const name = produced?.options.name ?? graph.newName('KSTREAM-SINK-')
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
    const name = named?.name ?? graph.newName('KSTREAM-TOTABLE-')
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

  join(other: unknown, joiner: Joiner<never, never, never, unknown>, third?: unknown, fourth?: unknown): never {
    return this.#join(other, joiner, third, fourth, { left: false, right: false })
  }

  leftJoin(other: unknown, joiner: Joiner<never, never, never, unknown>, third?: unknown, fourth?: unknown): never {
    return this.#join(other, joiner, third, fourth, { left: true, right: false })
  }

  outerJoin(other: unknown, joiner: Joiner<never, never, never, unknown>, third?: unknown, fourth?: unknown): never {
    return this.#join(other, joiner, third, fourth, { left: true, right: true })
  }

  process<K2, V2>(supplier: ProcessorSupplier<K, V, K2, V2>, { stores, named }: ProcessOptions & { named?: Named } = {}): KStream<K2, V2> {
    const { graph, output } = this.parts
    const name = named?.name ?? graph.newName('KSTREAM-PROCESSOR-')
    graph.add({
      output: name,
      inputs: [output],
      write: (topology) => topology.addProcessor(name, supplier, [output], stores === undefined ? {} : { stores }),
    })
    return new Stream({ graph, output: name, key: null, value: null, mustRepartition: true })
  }

  processValues<W>(supplier: FixedKeyProcessorSupplier<K, V, W>, { stores, named }: ProcessOptions & { named?: Named } = {}): KStream<K, W> {
    const { graph, output, key, mustRepartition } = this.parts
    const name = named?.name ?? graph.newName('KSTREAM-PROCESSVALUES-')
    graph.add({
      output: name,
      inputs: [output],
      write: (topology) => topology.addProcessor(name, () => fixedKey(supplier), [output], stores === undefined ? {} : { stores }),
    })
    return new Stream({ graph, output: name, key, value: null, mustRepartition })
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

  #join(other: unknown, joiner: unknown, third: unknown, fourth: unknown, outer: { left: boolean; right: boolean }): never {
    const join = joiner as (left: unknown, right: unknown, key: unknown) => unknown
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
    const { graph, output, key } = this.repartitionedFor(joined?.name ?? null, joined?.key ?? null, joined?.value ?? null)
    const name = joined?.name ?? graph.newName(left ? 'KSTREAM-LEFTJOIN-' : 'KSTREAM-JOIN-')
    const view = table.view()
    const operator: StreamsOperator = {
      op: 'stream-table-join',
      table: view,
      keyOf: (streamKey) => streamKey,
      join: (recordKey, value, tableValue) => defined(joiner(value, tableValue, recordKey), 'join'),
      left,
    }
    graph.add({
      output: name,
      inputs: [output],
      relaxesNullKeys: left,
      write: (topology) => topology.addOperator(name, operator, [output], { stores: storesOf(view) }),
    })
    return new Stream({ graph, output: name, key: joined?.key ?? key, value: null, mustRepartition: false })
  }

  #filtered(predicate: Predicate<K, V>, named: Named | undefined): KStream<K, V> {
    return this.#each('KSTREAM-FILTER-', named, {}, (record, forward) => {
      if (predicate(record.key, record.value)) forward(record)
    })
  }

  #rekeyed<K2>(selector: (key: K, value: V) => K2, named: Named | undefined): Stream<K2, V> {
    return this.#each('KSTREAM-KEY-SELECT-', named, { key: null, mustRepartition: true }, (record, forward) =>
      forward({ ...record, key: selector(record.key, record.value) }),
    )
  }

  #each<K2, V2>(
    prefix: string,
    named: Named | undefined,
    changed: Partial<Pick<StreamParts, 'key' | 'value' | 'mustRepartition'>>,
    each: (record: Record<K, V>, forward: Forward) => void,
  ): Stream<K2, V2> {
    const { graph, output } = this.parts
    const name = named?.name ?? graph.newName(prefix)
    const operator: StreamsOperator = { op: 'each', each: each as (record: Record<unknown, unknown>, forward: Forward) => void }
    graph.add({ output: name, inputs: [output], write: (topology) => topology.addOperator(name, operator, [output]) })
    return new Stream({ ...this.parts, ...changed, output: name })
  }
}

class SplitStream<K, V> implements BranchedKStream<K, V> {
  readonly #parts: StreamParts
  readonly #name: string
  readonly #predicates: Predicate<K, V>[] = []
  readonly #children: string[] = []
  readonly #branches = new Map<string, KStream<K, V>>()

  constructor(parts: StreamParts, name: string) {
    this.#parts = parts
    this.#name = name
    const operator: StreamsOperator = {
      op: 'each',
      each: (record, forward) => {
        const at = this.#predicates.findIndex((predicate) => predicate(record.key as K, record.value as V))
        const child = this.#children[at < 0 ? this.#predicates.length : at]
        if (child !== undefined) forward(record, child)
      },
    }
    parts.graph.add({ output: name, inputs: [parts.output], write: (topology) => topology.addOperator(name, operator, [parts.output]) })
  }

  branch(predicate: Predicate<K, V>, branched?: Branched<K, V>): BranchedKStream<K, V> {
    this.#predicates.push(predicate)
    this.#add(branched, this.#predicates.length)
    return this
  }

  defaultBranch(branched?: Branched<K, V>): ReadonlyMap<string, KStream<K, V>> {
    this.#add(branched, 0)
    return this.#branches
  }

  noDefaultBranch(): ReadonlyMap<string, KStream<K, V>> {
    return this.#branches
  }

  #add(branched: Branched<K, V> | undefined, index: number): void {
    const { graph } = this.#parts
    const name = `${this.#name}${branched?.name ?? index}`
    this.#children.push(name)
    graph.newName('')
    graph.add({ output: name, inputs: [this.#name], write: (topology) => topology.addOperator(name, passThrough, [this.#name]) })
    const stream: KStream<K, V> = new Stream({ ...this.#parts, output: name })
    const kept = branched?.chain ? branched.chain(stream) : stream
    if (kept !== null) this.#branches.set(name, kept)
  }
}

export interface RepartitionOptions {
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  readonly partitioner: StreamPartitioner<never, never> | null
  readonly partitions: number | null
}

/** A topic in between: every key's records come out in one partition. Returns the name of the source behind it. */
export function addRepartition(graph: StreamsGraph, output: string, prefix: string, options: RepartitionOptions): string {
  const topic = prefix.endsWith('-repartition') ? prefix : `${prefix}-repartition`
  const generated = countRepartition(graph)
  const isGenerated = /^KSTREAM.*-[0-9]{10}$/.test(prefix)
  const names = isGenerated ? generated : { sink: `${topic}-sink`, filter: `${topic}-filter`, source: `${topic}-source` }
  graph.add({
    output: names.source,
    inputs: [output],
    write(topology, wantsNullKeys) {
      const serdes = { key: serdeOr(options.key, 'key', topic), value: serdeOr(options.value, 'value', topic) }
      topology.addInternalTopic(topic, options.partitions)
      topology.addOperator(names.filter, wantsNullKeys ? passThrough : dropNullKeys, [output])
      topology.addSinkWith(names.sink, topic, [names.filter], { ...serdes, partitioner: options.partitioner })
      topology.addSourceWith(names.source, [topic], serdes)
    },
  })
  return names.source
}

/** Counted up whether they are used or not, as Kafka Streams does, so that later names agree. */
export function countRepartition(graph: StreamsGraph): { readonly sink: string; readonly filter: string; readonly source: string } {
  return { sink: graph.newName('KSTREAM-SINK-'), filter: graph.newName('KSTREAM-FILTER-'), source: graph.newName('KSTREAM-SOURCE-') }
}

function partsOf(stream: KStream<never, never> | KStream<unknown, unknown>): StreamParts {
  if (stream instanceof Stream) return stream.parts
  throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', { message: 'This stream was not made by a StreamsBuilder', next: 'Use one that was.' })
}

export function addStreamSource(graph: StreamsGraph, topics: readonly string[], consumed: Consumed<unknown, unknown>): StreamParts {
  const name = consumed.options.name ?? graph.newName('KSTREAM-SOURCE-')
  graph.add({ output: name, inputs: [], write: (topology: Topology) => topology.addSource(name, topics, consumed) })
  return { graph, output: name, key: consumed.key, value: consumed.value, mustRepartition: false }
}

export const passThrough: StreamsOperator = { op: 'each', each: (record, forward) => forward(record) }

const dropNullKeys: StreamsOperator = {
  op: 'each',
  each(record, forward) {
    if (record.key !== null) forward(record)
  },
}

/** Absence is null; undefined is a mistake that would only show far away. */
export function defined<T>(value: T, operator: string): T {
  if (value !== undefined) return value
  throw new WaggleError('WAGGLE_UNDEFINED_VALUE', {
    message: `The function given to ${operator} returned undefined`,
    next: 'Return a value, or null for none; a function with braces needs a return.',
  })
}

function fixedKey<K, V, W>(supplier: FixedKeyProcessorSupplier<K, V, W>): ReturnType<ProcessorSupplier<K, V, K, W>> {
  const processor = supplier()
  let key: K
  return {
    init: (context) => processor.init?.(new FixedKeyContext(context, () => key)),
    process(record) {
      key = record.key
      processor.process(record)
    },
    close: () => processor.close?.(),
  }
}

/** Forwards with the key of the record in hand, whatever the processor says. */
class FixedKeyContext<K, V> implements FixedKeyProcessorContext<V> {
  readonly #context: ProcessorContext<K, V>
  readonly #key: () => K

  constructor(context: ProcessorContext<K, V>, key: () => K) {
    this.#context = context
    this.#key = key
  }

  get applicationId(): string {
    return this.#context.applicationId
  }

  get taskId(): string {
    return this.#context.taskId
  }

  get currentStreamTime(): number {
    return this.#context.currentStreamTime
  }

  get currentSystemTime(): number {
    return this.#context.currentSystemTime
  }

  get recordMetadata(): RecordMetadata | null {
    return this.#context.recordMetadata
  }

  getStateStore<S extends StateStore>(store: string | StoreBuilder<S>): S {
    return this.#context.getStateStore(store)
  }

  schedule(intervalMs: number, type: PunctuationType, punctuator: Punctuator): Cancellable {
    return this.#context.schedule(intervalMs, type, punctuator)
  }

  commit(): void {
    this.#context.commit()
  }

  forward(record: Omit<NewRecord<unknown, V>, 'key'>, child?: string): void {
    this.#context.forward({ ...record, key: this.#key() }, child)
  }
}
