import type { Consumed } from '../consumed.ts'
import { globalSource } from '../graph.ts'
import { WaggleError } from '../waggle-error.ts'
import { Materialization } from './materialization.ts'
import type { StreamsGraph } from './streams-graph.ts'
import type { TableView } from './table-view.ts'

/** A table with a full copy in every process. A stream can join it by any key, in any partition. */
export class GlobalKTable<K, V> {
  readonly queryableStoreName: string | null
  /** The view by which joins look up rows of this table. */
  readonly view: TableView
  declare private readonly types: [K, V]

  private constructor(store: string) {
    this.queryableStoreName = store
    this.view = { kind: 'store', store, of: 'keyValue' }
  }

  /**
   * Makes the table for `builder.globalTable`. If the user names no store, the store has a generated name.
   *
   * @internal
   */
  static fromTopic<K, V>(graph: StreamsGraph, topic: string, consumed: Consumed<unknown, unknown>, materialized: unknown): GlobalKTable<K, V> {
    const kept = Materialization.of(materialized, graph, `${topic}-`).or(consumed)
    if (kept.isVersioned) {
      throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
        message: `The global table of ${topic} cannot be versioned`,
        next: 'Keep the table in a plain key-value store.',
      })
    }
    const { source, processor } = nameGlobal(graph, consumed)
    graph.add({
      output: source,
      inputs: [],
      write(topology) {
        topology.addSourceWith(source, [topic], globalSource(source, consumed))
        const stores = [{ ...kept.tableStore(), sourceTopic: topic }]
        topology.addOperator(processor, { op: 'table-source', kept: { store: kept.store }, oldValues: { sent: false } }, [source], { stores })
        topology.makeGlobal(kept.store)
      },
    })
    return new GlobalKTable(kept.store)
  }
}

/** Names the two nodes of a global store as Kafka Streams does. */
export function nameGlobal(graph: StreamsGraph, consumed: Consumed<unknown, unknown>): { readonly source: string; readonly processor: string } {
  const named = consumed.options.name
  const source = graph.nameOr(named && `${named}-source`, 'KSTREAM-SOURCE-')
  return { source, processor: graph.nameOr(named, 'KTABLE-SOURCE-') }
}
