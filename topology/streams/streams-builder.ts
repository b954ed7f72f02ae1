import type { Consumed } from '../consumed.ts'
import type { Topology } from '../graph.ts'
import type { StateStore, StoreBuilder } from '../state-store.ts'
import { addStreamSource, type KStream, Stream } from './kstream.ts'
import { type KTable, Table } from './ktable.ts'
import type { Materialized } from './options.ts'
import { StreamsGraph } from './streams-graph.ts'

type Some<T> = NonNullable<T>

/** A program over streams and tables; `build` gives the topology that runs. */
export class StreamsBuilder {
  readonly #graph = new StreamsGraph()

  stream<K, V>(topics: string | readonly string[], consumed: Consumed<K, V>): KStream<K, V> {
    const list = typeof topics === 'string' ? [topics] : topics
    return new Stream<K, V>(addStreamSource(this.#graph, list, consumed as Consumed<unknown, unknown>))
  }

  table<K, V>(topic: string, consumed: Consumed<K, V>, materialized?: Materialized<Some<K>, Some<V>, 'keyValue'>): KTable<Some<K>, Some<V>> {
    return Table.fromTopic(this.#graph, topic, consumed as Consumed<unknown, unknown>, materialized)
  }

  /** WAGGLE_STORE_EXISTS where another has the name. */
  addStateStore(store: StoreBuilder<StateStore>): this {
    this.#graph.add({ output: store.name, inputs: [], write: (topology) => topology.addStateStore(store) })
    return this
  }

  build(): Topology {
    return this.#graph.build()
  }
}
