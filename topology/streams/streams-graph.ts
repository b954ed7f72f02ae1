import { Topology } from '../graph.ts'
import type { AnySerde } from '../serde.ts'
import { WaggleError } from '../waggle-error.ts'
import { DraftGraph } from './draft-graph.ts'
import { validName } from './valid-name.ts'

/** A step of a program in the DSL, in the order in which it was written; `write` makes its nodes. */
export interface LogicalNode {
  /** Of the node that the steps below it read from. */
  readonly output: string
  /** Outputs that it reads from. */
  readonly inputs: readonly string[]
  /** A join that lets a record without a key out unmatched (KIP-962). */
  readonly relaxesNullKeys?: boolean
  /** What it may do to a record on its way: a topic that brings keys together may move in front of what changes neither. */
  readonly changes?: { readonly key?: boolean; readonly value?: boolean }
  readonly isMerge?: boolean
  /** What it reads, where it is a source of a stream: two of the same topics are one. */
  readonly source?: { readonly topics: string | readonly string[] | RegExp; readonly offsetReset: unknown }
  /** A topic in between that nobody asked for by itself. */
  readonly repartition?: { readonly topic: string; readonly key: AnySerde | null; readonly value: AnySerde | null }
  /** A join of two streams, which needs one store less where both are the same (KIP-862). */
  readonly isStreamJoin?: boolean
  write(topology: Topology, knowing: Knowing): void
}

/** What a step can only know when the whole program is there. */
export interface Knowing {
  /** A join that relaxes null keys stands behind it. */
  readonly wantsNullKeys: boolean
  readonly joinsItself: boolean
  /** A table that is a topic's needs no changelog beside it. */
  readonly reusesSources: boolean
}

export interface BuildOptions {
  /** `all` merges repartition topics and joins a stream with itself from one store. */
  optimization?: 'none' | 'all'
}

/** What one StreamsBuilder has collected. Names are counted up in the order of the calls, as Kafka Streams counts them. */
export class StreamsGraph {
  readonly #nodes: LogicalNode[] = []
  #index = 0

  newName(prefix: string): string {
    return `${prefix}${this.#number()}`
  }

  /** The user's name, or one made up. A number is used up either way, so that later names are the same with it and without. */
  nameOr(given: string | null | undefined, prefix: string): string {
    const made = this.newName(prefix)
    return given == null ? made : validName(given)
  }

  /** One program is written with one StreamsBuilder. */
  refuseStranger(other: StreamsGraph): void {
    if (other === this) return
    throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
      message: 'Two streams or tables that meet were made by different StreamsBuilders',
      next: 'Make both with one, or let one write a topic that the other reads.',
    })
  }

  newStoreName(prefix: string): string {
    return `${prefix}STATE-STORE-${this.#number()}`
  }

  add(node: LogicalNode): void {
    this.#nodes.push(node)
  }

  build({ optimization = 'none' }: BuildOptions = {}): Topology {
    const before = this.#index
    const draft = new DraftGraph(this.#nodes)
    draft.mergeSources()
    if (optimization === 'all') draft.mergeRepartitions((prefix) => this.newName(prefix))
    const topology = new Topology()
    const wanting = draft.wantingNullKeys()
    for (const { node, parents } of draft.nodes) {
      const joinsItself = optimization === 'all' && node.isStreamJoin === true && new Set(parents.values()).size === 1
      topology.whereParents(parents, () =>
        node.write(topology, { wantsNullKeys: wanting.has(node.output), joinsItself, reusesSources: optimization === 'all' }),
      )
    }
    // Building once more gives the same names.
    this.#index = before
    // A step that takes time and has state before it is refused here, and not when it runs.
    topology.subtopologies()
    return topology
  }

  #number(): string {
    return String(this.#index++).padStart(10, '0')
  }
}
