import { Consumed } from '../consumed.ts'
import type { Topology } from '../graph.ts'
import type { ProcessorSupplier } from '../processor-api.ts'
import type { StateStore, StoreBuilder } from '../state-store.ts'
import { guardArguments } from './checked-arguments.ts'
import { GlobalKTable, nameGlobal } from './global-table.ts'
import { addStreamSource, type KStream, Stream } from './kstream.ts'
import { type KTable, Table } from './ktable.ts'
import type { Materialized } from './options.ts'
import type { Some } from './shared-types.ts'
import { type BuildOptions, StreamsGraph } from './streams-graph.ts'

/** Collects a program over streams and tables. `build` gives the topology that runs. */
export class StreamsBuilder {
  readonly #graph = new StreamsGraph()

  /**
   * Reads one topic, several, or all topics whose whole names match a pattern when the application starts, as a stream of records.
   *
   * @example
   * ```ts
   * builder.stream('orders-in', Consumed.with(text, orderSerde).skipNullValues()).mapValues((order) => order.total)
   * builder.stream(/^clicks-.+/, Consumed.with(text, text))
   * ```
   *
   * @remarks Several topics must have as many partitions as each other. The key must have decided the partition when the record was written,
   * for groupings and joins to find each other; else begin with `repartition`. Two streams of the same topics share one source. Without `consumed`
   * the serdes are the application's defaults, and `builder.stream<string, number>('orders-in')` says their types.
   */
  stream<K, V>(topics: string | readonly string[] | RegExp, consumed: Consumed<K, V>): KStream<K, V>
  stream<K, V>(topics: string | readonly string[] | RegExp): KStream<K | null, V | null>
  stream<K, V>(topics: string | readonly string[] | RegExp, consumed?: Consumed<K, V>): KStream<K, V> {
    return new Stream<K, V>(addStreamSource(this.#graph, topics, orDefaults(consumed)))
  }

  /**
   * Reads a topic as a table: the newest value of each key counts, and null deletes the key. Partitions are those of the topic.
   *
   * @example
   * ```ts
   * const people = builder.table('people', Consumed.with(text, customerSerde), Materialized.as('people'))
   * people.filter((_, person) => person.country === 'CH').toStream().to('swiss', Produced.with(text, customerSerde))
   * ```
   *
   * @remarks The topic should be compacted. A record with a null key is dropped. The table is kept in a store, and logged to a changelog, where
   * it is named or looked up; with `optimization: 'all'` the topic itself is the changelog.
   */
  table<K, V>(
    topic: string,
    consumed?: Consumed<K, V>,
    materialized?: Materialized<Some<K>, Some<V>, 'keyValue' | 'versioned'>,
  ): KTable<Some<K>, Some<V>> {
    return Table.fromTopic(this.#graph, topic, orDefaults(consumed), materialized)
  }

  /**
   * Reads a topic as a table that every process has whole. A stream joins it by any key, without a repartition topic.
   *
   * @example
   * ```ts
   * const names = builder.globalTable('country-names-in', Consumed.with(text, text))
   * orders.join(names, (_, order) => order.country, (order, country) => `${order.total} from ${country}`).to('located', Produced.with(text, text))
   * ```
   *
   * @remarks Each process needs the room for all of it. Its updates come as they come, in no order with other topics. It has no changelog: it
   * is read again from its topic.
   */
  globalTable<K, V>(
    topic: string,
    consumed?: Consumed<K, V>,
    materialized?: Materialized<Some<K>, Some<V>, 'keyValue'>,
  ): GlobalKTable<Some<K>, Some<V>> {
    return GlobalKTable.fromTopic(this.#graph, topic, orDefaults(consumed), materialized)
  }

  /**
   * Adds a store that every process has whole and every processor may read. The supplier's processor alone writes it, from the records of the
   * topic.
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
   * @remarks Another processor may read the store, and gets WAGGLE_STORE_READ_ONLY where it writes.
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
   * Adds a store that processors name in their `stores`. WAGGLE_STORE_EXISTS where another has the name.
   *
   * @example
   * ```ts
   * builder.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore('last-click'), text, text))
   * clicks.process<string, string>(() => ({ process() {} }), { stores: ['last-click'] })
   * ```
   *
   * @remarks Processors that use one store are one sub-topology, so their inputs must have as many partitions as each other.
   */
  addStateStore(store: StoreBuilder<StateStore>): this {
    this.#graph.add({ output: store.name, inputs: [], write: (topology) => topology.addStateStore(store) })
    return this
  }

  /**
   * Gives the topology that `Streams` and `TopologyTestDriver` run. `optimization: 'all'` merges repartition topics and uses a table's topic as
   * its changelog.
   *
   * @example
   * ```ts
   * lines.mapValues((line) => line.length).to('lengths', Produced.with(text, Serdes.integer()))
   * console.log(builder.build({ optimization: 'all' }).describe())
   * ```
   *
   * @remarks Turning optimisation on changes the names of topics: do it before the first start, or reset the application.
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
