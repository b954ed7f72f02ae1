import type { Consumed } from '../consumed.ts'
import type { Topology } from '../graph.ts'
import type { ProcessorSupplier } from '../processor-api.ts'
import type { StateStore, StoreBuilder } from '../state-store.ts'
import { GlobalKTable, globalSource, nameGlobal } from './global-table.ts'
import { addStreamSource, type KStream, Stream } from './kstream.ts'
import { type KTable, Table } from './ktable.ts'
import type { Materialized } from './options.ts'
import { type BuildOptions, StreamsGraph } from './streams-graph.ts'

type Some<T> = NonNullable<T>

/** A program over streams and tables; `build` gives the topology that runs. */
export class StreamsBuilder {
  readonly #graph = new StreamsGraph()

  /** A pattern stands for the topics whose whole names match it when the application starts. */
  stream<K, V>(topics: string | readonly string[] | RegExp, consumed: Consumed<K, V>): KStream<K, V> {
    return new Stream<K, V>(addStreamSource(this.#graph, topics, consumed as Consumed<unknown, unknown>))
  }

  table<K, V>(
    topic: string,
    consumed: Consumed<K, V>,
    materialized?: Materialized<Some<K>, Some<V>, 'keyValue' | 'versioned'>,
  ): KTable<Some<K>, Some<V>> {
    return Table.fromTopic(this.#graph, topic, consumed as Consumed<unknown, unknown>, materialized)
  }

  /** Every process has all of it; a stream joins it by any key. Its updates come as they come, in no order with other topics. */
  globalTable<K, V>(
    topic: string,
    consumed: Consumed<K, V>,
    materialized?: Materialized<Some<K>, Some<V>, 'keyValue'>,
  ): GlobalKTable<Some<K>, Some<V>> {
    return GlobalKTable.fromTopic(this.#graph, topic, consumed as Consumed<unknown, unknown>, materialized)
  }

  /** A store that every process has whole and every processor may read, written by `supplier`'s processor alone. */
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
        topology.addSourceWith(source, [topic], globalSource(consumed)).addProcessor(processor, supplier, [source], { stores: [store] })
        topology.makeGlobal(store.name)
      },
    })
    return this
  }

  /** WAGGLE_STORE_EXISTS where another has the name. */
  addStateStore(store: StoreBuilder<StateStore>): this {
    this.#graph.add({ output: store.name, inputs: [], write: (topology) => topology.addStateStore(store) })
    return this
  }

  build(options?: BuildOptions): Topology {
    return this.#graph.build(options)
  }
}
