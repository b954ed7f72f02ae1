import { Consumed } from '../consumed.ts'
import type { Topology } from '../graph.ts'
import type { ProcessorSupplier } from '../processor-api.ts'
import type { StateStore, StoreBuilder } from '../state-store.ts'
import { guardArguments } from './checked-arguments.ts'
import { GlobalKTable, nameGlobal } from './global-table.ts'
import { addStreamSource, type KStream, Stream } from './kstream.ts'
import { type KTable, Table } from './ktable.ts'
import type { Materialized } from './materialized.ts'
import type { Some } from './shared-types.ts'
import { type BuildOptions, StreamsGraph } from './streams-graph.ts'

/** Collects a program over streams and tables. `build` returns the topology. */
export class StreamsBuilder {
  readonly #graph: StreamsGraph

  /** Your program gives no argument. Waggle itself gives a graph, to which the builder adds its steps. */
  constructor(graph = new StreamsGraph()) {
    this.#graph = graph
  }

  /**
   * Reads one topic, several topics, or all topics that match a pattern when the application starts, as a stream of records. A pattern must match the
   * whole name.
   *
   * @example
   * ```ts
   * builder.stream('orders-in', Consumed.with(text, orderSerde).skipNullValues()).mapValues((order) => order.total)
   * builder.stream(/^clicks-.+/, Consumed.with(text, text))
   * ```
   *
   * @remarks Several topics must have the same number of partitions. Groupings and joins need records whose key decided the partition when they were
   * written; otherwise begin with `repartition`. Two streams of the same topics share one source. Without `consumed` the application's serdes are
   * used, and `builder.stream<string, number>('orders-in')` names their types.
   */
  stream<K, V>(topics: string | readonly string[] | RegExp, consumed: Consumed<K, V>): KStream<K, V>
  stream<K, V>(topics: string | readonly string[] | RegExp): KStream<K | null, V | null>
  stream<K, V>(topics: string | readonly string[] | RegExp, consumed?: Consumed<K, V>): KStream<K, V> {
    return new Stream<K, V>(addStreamSource(this.#graph, topics, orDefaults(consumed)))
  }

  /**
   * Reads a topic as a table. The newest value of each key counts, and null deletes the key. The table has the topic's partitions.
   *
   * @example
   * ```ts
   * const people = builder.table('people', Consumed.with(text, customerSerde), Materialized.as('people'))
   * people.filter((_, person) => person.country === 'CH').toStream().to('swiss', Produced.with(text, customerSerde))
   * ```
   *
   * @remarks The topic should be compacted. A record with a null key is dropped. The table is stored, with a changelog, if it has a name or if its
   * rows are looked up. With `optimization: 'all'` the topic itself is the changelog.
   */
  table<K, V>(
    topic: string,
    consumed?: Consumed<K, V>,
    materialized?: Materialized<Some<K>, Some<V>, 'keyValue' | 'versioned'>,
  ): KTable<Some<K>, Some<V>> {
    return Table.fromTopic(this.#graph, topic, orDefaults(consumed), materialized)
  }

  /**
   * Reads a topic as a table with a full copy in every process. A stream can join the table by any key, without a repartition topic.
   *
   * @example
   * ```ts
   * const names = builder.globalTable('country-names-in', Consumed.with(text, text))
   * orders.join(names, (_, order) => order.country, (order, country) => `${order.total} from ${country}`).to('located', Produced.with(text, text))
   * ```
   *
   * @remarks Each process needs memory for the whole table. The order of the table's updates relative to other topics is not defined. The table has
   * no changelog: after a loss it is read again from its topic.
   */
  globalTable<K, V>(
    topic: string,
    consumed?: Consumed<K, V>,
    materialized?: Materialized<Some<K>, Some<V>, 'keyValue'>,
  ): GlobalKTable<Some<K>, Some<V>> {
    return GlobalKTable.fromTopic(this.#graph, topic, orDefaults(consumed), materialized)
  }

  /**
   * Adds a global store. Every process has the whole store, and every processor may read it. Only the supplier's processor writes to it, from the
   * records of the topic.
   *
   * @example
   * ```ts
   * const prices = Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore('prices'), text, Serdes.double(), { logging: false })
   * builder.addGlobalStore(prices, 'price-updates', Consumed.with(text, Serdes.double()), () => {
   *   let put: (item: string, price: number) => void
   *   return {
   *     init: (context) => {
   *       const store = context.getStateStore(prices)
   *       put = (item, price) => store.put(item, price)
   *     },
   *     process: ({ key, value }) => {
   *       if (key !== null && value !== null) put(key, value)
   *     },
   *   }
   * })
   * ```
   *
   * @remarks A write by another processor throws WAGGLE_STORE_READ_ONLY.
   */
  addGlobalStore<K, V>(
    store: StoreBuilder<StateStore>,
    topic: string,
    consumed: Consumed<K, V>,
    supplier: ProcessorSupplier<K, V, never, never>,
  ): this {
    const { source, processor } = nameGlobal(this.#graph, consumed as Consumed<unknown, unknown>)
    this.#graph.add({
      output: source,
      inputs: [],
      write(topology) {
        topology.addGlobalStore(store, source, consumed, topic, processor, supplier)
      },
    })
    return this
  }

  /**
   * Adds a store that processors name in their `stores`. Throws WAGGLE_STORE_EXISTS if another store has the name.
   *
   * @example
   * ```ts
   * builder.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore('last-click'), text, text))
   * clicks.process<string, string>(() => ({ process() {} }), { stores: ['last-click'] })
   * ```
   *
   * @remarks Processors that share a store are in one sub-topology, so their inputs must have the same number of partitions.
   */
  addStateStore(store: StoreBuilder<StateStore>): this {
    this.#graph.add({ output: store.name, inputs: [], write: (topology) => topology.addStateStore(store) })
    return this
  }

  /**
   * Returns the topology that `Streams` and `TopologyTestDriver` run. `optimization: 'all'` merges repartition topics, and uses a table's topic as
   * its changelog.
   *
   * @example
   * ```ts
   * lines.mapValues((line) => line.length).to('lengths', Produced.with(text, Serdes.integer()))
   * console.log(builder.build({ optimization: 'all' }).describe())
   * ```
   *
   * @remarks Turning optimisation on changes the names of topics. Turn it on before the first start, or reset the application.
   */
  build(options?: BuildOptions): Topology {
    return this.#graph.build(options)
  }
}

/** Without options a source reads with the application's serdes. */
function orDefaults(consumed: Consumed<never, never> | Consumed<unknown, unknown> | undefined): Consumed<unknown, unknown> {
  return consumed ?? Consumed.with(null, null)
}

guardArguments(StreamsBuilder.prototype)
