import type { Consumed } from '../consumed.ts'
import type { ProcessOptions, TopicNameExtractor, Topology } from '../graph.ts'
import type { Forward, StreamsOperator } from '../operators/streams-operators.ts'
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
import type { Joined, StreamJoined } from './join-options.ts'
import { type KTable, Table } from './ktable.ts'
import { Materialization } from './materialization.ts'
import { type Grouped, Named, type Repartitioned } from './options.ts'
import { passThrough } from './pass-through.ts'
import { addRepartition, countRepartition } from './repartition.ts'
import type { Joiner, Kept, Predicate, Some } from './shared-types.ts'
import { joinStreams } from './stream-stream-join.ts'
import type { StreamsGraph } from './streams-graph.ts'
import { storesOf } from './table-view.ts'
import { serdeOr } from './unset-serde.ts'
import type { JoinWindows } from './windows.ts'

type Selector<K, V, K2> = (key: K, value: Some<V>) => K2 | null
type Both<K, V, V2> = StreamJoined<Some<K>, Some<V>, Some<V2>>

/** An endless sequence of records. Each record is an event of its own. */
export interface KStream<K, V> {
  /**
   * Keeps the records for which the predicate returns true. Keys, values, partitions and serdes stay. No topic is created.
   *
   * @example
   * ```ts
   * orders.filter((_, order) => order.total >= 100).to('large-orders', Produced.with(text, orderSerde))
   * ```
   *
   * @remarks A predicate that narrows the value's type narrows the stream: `stream.filter((_, value) => value !== null)`.
   */
  filter<W extends V>(predicate: (key: K, value: V) => value is W, named?: Named): KStream<K, W>
  filter(predicate: Predicate<K, V>, named?: Named): KStream<K, V>
  /**
   * Drops the records for which the predicate returns true, and keeps the others. Keys, values and partitions stay.
   *
   * @example
   * ```ts
   * orders.filterNot((_, order) => order.total === 0).to('paid-orders', Produced.with(text, orderSerde))
   * ```
   */
  filterNot(predicate: Predicate<K, V>, named?: Named): KStream<K, V>
  /**
   * Gives each record a new key. The value stays. A later grouping or join first sends the records through a repartition topic, because the key
   * decides the partition.
   *
   * @example
   * ```ts
   * orders.selectKey((_, order) => order.customer).to('orders-by-customer', Produced.with(text, orderSerde))
   * ```
   *
   * @remarks The serde of the new key is unknown: name it in the next step. For a grouping, `groupBy` does the same in one step. An `undefined` key
   * is WAGGLE_UNDEFINED_VALUE; `null` is a key.
   */
  selectKey<K2>(selector: (key: K, value: V) => K2, named?: Named): KStream<K2, V>
  /**
   * Turns each record into a record with a new key and a new value. A later grouping or join first sends the records through a repartition topic.
   *
   * @example
   * ```ts
   * orders.map((id, order) => [order.customer, `${id}: ${order.total}`]).to('receipts', Produced.with(text, text))
   * ```
   *
   * @remarks If the key stays, use `mapValues`, which needs no repartition topic. Both serdes are unknown after this step.
   */
  map<K2, V2>(mapper: (key: K, value: V) => KeyValue<K2, V2>, named?: Named): KStream<K2, V2>
  /**
   * Makes a new value from each record's value and key. Key and partition stay, so no repartition topic is needed.
   *
   * @example
   * ```ts
   * orders.mapValues((order) => order.total).to('totals', Produced.with(text, Serdes.double()))
   * ```
   *
   * @remarks The value's serde is unknown after this step. Return a new value, and do not change the old value, because other steps read it.
   */
  mapValues<W>(mapper: (value: V, key: K) => W, named?: Named): KStream<K, W>
  /**
   * Turns each record into any number of records with new keys and values, in the order that the mapper returns. A later grouping or join first sends
   * the records through a repartition topic.
   *
   * @example
   * ```ts
   * orders
   *   .flatMap((id, order) => order.items.map((item): [string, string] => [item, id]))
   *   .to('orders-by-item', Produced.with(text, text))
   * ```
   *
   * @remarks If the key stays, use `flatMapValues`. The new records get the timestamp and the headers of the input record.
   */
  flatMap<K2, V2>(mapper: (key: K, value: V) => Iterable<KeyValue<K2, V2>>, named?: Named): KStream<K2, V2>
  /**
   * Turns each value into any number of values. Key and partition stay.
   *
   * @example
   * ```ts
   * lines.flatMapValues((line) => line.toLowerCase().split(' ')).to('words', Produced.with(text, text))
   * ```
   *
   * @remarks An empty list drops the record.
   */
  flatMapValues<W>(mapper: (value: V, key: K) => Iterable<W>, named?: Named): KStream<K, W>
  /**
   * Calls a function for each record, and forwards the record unchanged. For logs and debugging.
   *
   * @example
   * ```ts
   * orders.peek((id, order) => console.log(id, order.total)).to('orders-seen', Produced.with(text, orderSerde))
   * ```
   *
   * @remarks After a crash, records since the last commit are processed again, and the function is called again. The function's effects outside of
   * the topology are not part of the commit, even under `exactly_once`.
   */
  peek(action: (key: K, value: V) => void, named?: Named): KStream<K, V>
  /**
   * Calls a function for each record, and ends the stream. The function must be synchronous, because nothing awaits it.
   *
   * @example
   * ```ts
   * orders.foreach((id, order) => console.log(`${id} costs ${order.total}`))
   * ```
   *
   * @remarks After a crash the function may be called again for a record. For asynchronous calls use `mapAsync`.
   */
  foreach(action: (key: K, value: V) => void, named?: Named): void
  /**
   * Merges the records of two streams into one stream. Each stream keeps its own order. The order between the two streams is not defined.
   *
   * @example
   * ```ts
   * lines.merge(clicks).to('everything', Produced.with(text, text))
   * ```
   *
   * @remarks Both serdes are unknown after this step. From here on, the same tasks read the topics of both streams. Throws WAGGLE_INVALID_TOPOLOGY
   * for a stream of another builder.
   */
  merge(other: KStream<K, V>, named?: Named): KStream<K, V>
  /**
   * Sends each record to the first branch whose predicate returns true. Keys, values and partitions stay.
   *
   * @example
   * ```ts
   * const branches = orders
   *   .split(Named.as('by-size-'))
   *   .branch((_, order) => order.total >= 100, Branched.as('large'))
   *   .defaultBranch(Branched.as('small'))
   * branches.get('by-size-large')?.to('large-orders', Produced.with(text, orderSerde))
   * ```
   *
   * @remarks A record that no branch takes is dropped, unless there is a default branch. A branch's full name is the split's name followed by the
   * branch's own name.
   */
  split(named?: Named): BranchedKStream<K, V>
  /**
   * Writes the records to an internal topic, `<applicationId>-<name>-repartition`, reads them from it, and continues with them. The key decides the
   * partition, unless a partitioner is given.
   *
   * @example
   * ```ts
   * orders
   *   .selectKey((_, order) => order.customer)
   *   .repartition(Repartitioned.with(text, orderSerde, { name: 'by-customer', numberOfPartitions: 8 }))
   *   .to('orders-by-customer', Produced.with(text, orderSerde))
   * ```
   *
   * @remarks Groupings and joins repartition by themselves after keys were changed. Use this method to choose the number of partitions, the name or
   * the partitioner. The topic is created when the application starts, and processed records are deleted from it.
   */
  repartition(repartitioned?: Repartitioned<Some<K>, Some<V>>): KStream<K, V>
  /**
   * Writes each record to a topic, and ends the stream. The key decides the partition, as in Java's default partitioner. A function can choose the
   * topic of each record.
   *
   * @example
   * ```ts
   * orders.to('orders-out', Produced.with(text, orderSerde))
   * orders.to((_, order) => (order.total >= 100 ? 'large-orders' : 'small-orders'), Produced.with(text, orderSerde))
   * ```
   *
   * @remarks On Kafka the topic must exist; the embedded log creates it. Without `Produced` the serdes of the stream are used, else the application's
   * defaults, else the start fails with WAGGLE_SERDE_MISSING. A value that cannot be serialised goes to `productionHandler`.
   */
  to(topic: string | TopicNameExtractor<K, V>, produced?: Produced<Some<K>, Some<V>>): void
  /**
   * Turns the stream into a table. The newest value of each key counts, and null deletes the key. If keys were changed, the records first go through
   * a repartition topic.
   *
   * @example
   * ```ts
   * const lastPage = clicks.toTable(Materialized.as('last-page', { keySerde: text, valueSerde: text }))
   * lastPage.toStream().to('last-pages', Produced.with(text, text))
   * ```
   *
   * @remarks A record with a null key is dropped and counted. The table is stored only if it has a name, or if a later step looks up its rows.
   */
  toTable(materialized?: Kept<Some<K>, Some<V>>, named?: Named): KTable<Some<K>, Some<V>>
  /**
   * Groups records by their key, for an aggregation. If keys were changed, the records first go through a repartition topic.
   *
   * @example
   * ```ts
   * clicks.groupByKey(Grouped.with(text, text)).count(Materialized.as('clicks-by-user')).toStream().to('click-counts', Produced.with(text, Serdes.long()))
   * ```
   *
   * @remarks Records with a null key or a null value are dropped and counted in `dropped-records-total`, here and in inner joins.
   */
  groupByKey(grouped?: Grouped<Some<K>, Some<V>>): KGroupedStream<Some<K>, Some<V>>
  /**
   * Groups records by a new key. The records always go through a repartition topic, `<applicationId>-<name>-repartition`.
   *
   * @example
   * ```ts
   * orders
   *   .groupBy((_, order) => order.customer, Grouped.with(text, orderSerde, { name: 'by-customer' }))
   *   .aggregate(() => 0, (_, order, sum) => sum + order.total, Materialized.as('spent', { keySerde: text, valueSerde: Serdes.double() }))
   * ```
   *
   * @remarks Name the grouping. A generated name changes when the program changes, and with it the topic's name. If the key is right already, use
   * `groupByKey`.
   */
  groupBy<K2>(selector: (key: K, value: V) => K2, grouped?: Grouped<Some<K2>, Some<V>>): KGroupedStream<Some<K2>, Some<V>>
  /**
   * Joins each record with its matches, and emits one record for each pair. In a join with a stream, records match if they have the same key and
   * their times are in the window. In a join with a table, a record matches the row that its key has at the time of processing. In a join with a
   * global table, a record matches the row of the key that the selector returns.
   *
   * @example
   * ```ts
   * orders
   *   .join(
   *     payments,
   *     (order, payment) => `${order.total} paid by ${payment}`,
   *     JoinWindows.ofTimeDifferenceAndGrace(5 * 60_000, 60_000),
   *     StreamJoined.with(text, orderSerde, text, { name: 'paid', storeName: 'paid' }),
   *   )
   *   .to('paid-orders', Produced.with(text, text))
   *
   * orders
   *   .selectKey((_, order) => order.customer)
   *   .join(customers, (order, customer) => `${customer.name}: ${order.total}`, Joined.with(text, orderSerde, customerSerde, { name: 'named' }))
   *   .to('named-orders', Produced.with(text, text))
   *
   * orders.join(countries, (_, order) => order.country, (order, country) => `${order.total} from ${country}`).to('located', Produced.with(text, text))
   * ```
   *
   * @remarks The topics of both sides must have the same number of partitions, except for a global table. A side whose keys were changed goes through
   * a repartition topic. Null values and null keys match nothing. An update of a table emits no record; only a record of the stream does.
   */
  join<V2, W>(
    other: KStream<K | null, V2>,
    joiner: Joiner<Some<K>, Some<V>, Some<V2>, W>,
    windows: JoinWindows,
    joined?: Both<K, V, V2>,
  ): KStream<Some<K>, W>
  join<V2, W>(table: KTable<Some<K>, V2>, joiner: Joiner<Some<K>, Some<V>, V2, W>, joined?: Joined<Some<K>, Some<V>, V2>): KStream<Some<K>, W>
  join<K2, V2, W>(table: GlobalKTable<K2, V2>, selector: Selector<K, V, K2>, joiner: Joiner<K, Some<V>, V2, W>, named?: Named): KStream<K, W>
  /**
   * Joins as `join` does, and also emits each record of this stream that has no match, with null for the other side. A record with a null key has no
   * match (KIP-962).
   *
   * @example
   * ```ts
   * orders
   *   .leftJoin(customers, (order, customer) => `${customer?.name ?? 'somebody'}: ${order.total}`, Joined.with(text, orderSerde, customerSerde))
   *   .to('named-orders', Produced.with(text, text))
   * ```
   *
   * @remarks In a join with a stream, a record without a match is emitted when its window and the grace are over. For that, stream time has to
   * advance. In a join with a table, such a record is emitted at once.
   */
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
  /**
   * Joins two streams as `leftJoin` does, and also emits each record of the other stream that has no match, with null for this side.
   *
   * @example
   * ```ts
   * orders
   *   .outerJoin(
   *     payments,
   *     (order, payment) => (order === null ? `payment ${payment} without an order` : `order of ${order.total}, ${payment ?? 'not paid'}`),
   *     JoinWindows.ofTimeDifferenceWithNoGrace(5 * 60_000),
   *     StreamJoined.with(text, orderSerde, text, { storeName: 'matched' }),
   *   )
   *   .to('matched', Produced.with(text, text))
   * ```
   *
   * @remarks Records without a match are emitted when their window is over. Both topics must have the same number of partitions.
   */
  outerJoin<V2, W>(
    other: KStream<K | null, V2>,
    joiner: Joiner<K, Some<V> | null, Some<V2> | null, W>,
    windows: JoinWindows,
    joined?: Both<K, V, V2>,
  ): KStream<K, W>
  /**
   * Passes each record to your own processor, which may forward any number of records, use stores, and schedule functions. Each task has its own
   * processor.
   *
   * @example
   * ```ts
   * orders
   *   .process<string, number>(() => {
   *     let forward: (key: string, value: number, timestamp: number) => void
   *     return {
   *       init: (context) => {
   *         forward = (key, value, timestamp) => context.forward({ key, value, timestamp })
   *       },
   *       process: ({ value, timestamp }) => forward(value.customer, value.total, timestamp),
   *     }
   *   })
   *   .to('totals', Produced.with(text, Serdes.double()))
   * ```
   *
   * @remarks The processor may change keys, so a later grouping or join repartitions. For a processor that keeps keys, use `processValues`. The
   * processor must be synchronous. The supplier must return a new processor in each call, because two tasks must not share one.
   */
  process<K2, V2>(supplier: ProcessorSupplier<K, V, K2, V2>, options?: ProcessOptions): KStream<K2, V2>
  /**
   * Passes each record to your own processor. The processor cannot change the key, so no later step has to repartition.
   *
   * @example
   * ```ts
   * const seen = Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore('seen'), text, Serdes.long())
   * clicks
   *   .processValues<number>(
   *     () => {
   *       let count: (user: string) => number = () => 0
   *       let forward: (value: number, timestamp: number) => void
   *       return {
   *         init: (context) => {
   *           const store = context.getStateStore(seen)
   *           count = (user) => {
   *             const next = (store.get(user) ?? 0) + 1
   *             store.put(user, next)
   *             return next
   *           }
   *           forward = (value, timestamp) => context.forward({ value, timestamp })
   *         },
   *         process: ({ key, timestamp }) => forward(count(key), timestamp),
   *       }
   *     },
   *     { stores: [seen], named: Named.as('count-clicks') },
   *   )
   *   .to('click-numbers', Produced.with(text, Serdes.long()))
   * ```
   *
   * @remarks The processor can only use the stores named in `stores`, else WAGGLE_STORE_NOT_CONNECTED.
   */
  processValues<W>(supplier: FixedKeyProcessorSupplier<K, V, W>, options?: ProcessOptions): KStream<K, W>
  /**
   * Calls an asynchronous function for each record, several at a time, and forwards its results. Key and partition stay. The commit position stays at
   * the oldest unfinished record, so no record is lost, and no result is forwarded twice. Kafka Streams has no such method.
   *
   * @example
   * ```ts
   * orders
   *   .mapAsync(async (order, { signal }) => (await fetch(`http://localhost:4000/${order.customer}`, { signal })).text(), {
   *     concurrency: 16,
   *     timeoutMs: 2_000,
   *     retries: 2,
   *   })
   *   .to('enriched', Produced.with(text, text))
   * ```
   *
   * @remarks No store may stand before this step in the same sub-topology (WAGGLE_ASYNC_AFTER_STATE): put a `repartition` in between. After a crash
   * the function is called again for unfinished records. After `timeoutMs` the function's `signal` is aborted, and the record fails with
   * WAGGLE_TIMEOUT.
   */
  mapAsync<W>(mapper: (value: V, call: AsyncCallOf<K>) => Promise<W>, options: AsyncOptions): KStream<K, W>
  /**
   * Gathers records into batches for the next step, a `mapAsync`. A batch has at most `size` records, and no record waits longer than `timeoutMs`.
   * Kafka Streams has no such method.
   *
   * @example
   * ```ts
   * lines
   *   .batch({ size: 32, timeoutMs: 20 })
   *   .mapAsync(async (batch) => batch.map((line) => line.length), { concurrency: 2, timeoutMs: 5_000 })
   *   .to('lengths', Produced.with(text, Serdes.integer()))
   * ```
   *
   * @remarks Unless `release` is `full`, a batch is sent as soon as the function is idle. So a single record does not wait. All tasks of a thread
   * share batches.
   */
  batch(options: BatchOptions): BatchedKStream<K, V>
}

export interface StreamParts {
  readonly graph: StreamsGraph
  /** The name of the node that outputs this stream. */
  readonly output: string
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  /** True if a step has changed the keys since the records were partitioned by key. */
  readonly mustRepartition: boolean
}

type Untyped = Stream<unknown, unknown>

export class Stream<K, V> implements KStream<K, V> {
  readonly parts: StreamParts
  /** The repartitioned stream, which all joins and groupings of this stream share. */
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

  /** This stream, with all records of a key in the same partition, for a join or a grouping. */
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
    const parts = joinStreams(
      this as Untyped,
      other as Untyped,
      join,
      third as JoinWindows,
      fourth as StreamJoined<never, never, never> | undefined,
      outer,
    )
    return new Stream(parts) as never
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
      copartitioned: [output, table.parts.output],
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
  throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
    message: 'This stream was not made by a StreamsBuilder',
    next: 'Use a stream of a StreamsBuilder.',
  })
}

export function addStreamSource(graph: StreamsGraph, topics: string | readonly string[] | RegExp, consumed: Consumed<unknown, unknown>): StreamParts {
  const name = graph.nameOr(consumed.options.name, 'KSTREAM-SOURCE-')
  const read = Array.isArray(topics) ? [...new Set<string>(topics)] : topics
  const source = { topics: read, offsetReset: consumed.options.offsetReset ?? null }
  graph.add({ output: name, inputs: [], source, write: (topology: Topology) => topology.addSource(name, read, consumed) })
  return { graph, output: name, key: consumed.key, value: consumed.value, mustRepartition: false }
}
