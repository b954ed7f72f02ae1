import { Topology } from '../graph.ts'
import type { AnySerde } from '../serde.ts'
import { WaggleError } from '../waggle-error.ts'
import { refuseUnevenRepartitions } from './copartition.ts'
import { DraftGraph } from './draft-graph.ts'
import { validName } from './valid-name.ts'

/** One step of a DSL program. `write` adds the step's nodes to a topology. */
export interface LogicalNode {
  /** The name of the node that later steps read from. */
  readonly output: string
  /** The outputs that the step reads from. */
  readonly inputs: readonly string[]
  /** True for a join that treats a record without a key like a record without a match, and emits it (KIP-962). */
  readonly relaxesNullKeys?: boolean
  /**
   * `key`: true if the step may change keys. `value`: true if the step may change values. A repartition topic may move before a step that changes
   * neither. A processor counts as a step that changes neither, as in Kafka Streams.
   */
  readonly changes?: { readonly key?: boolean; readonly value?: boolean }
  readonly isMerge?: boolean
  /** The topics of a stream's source. Two sources with the same topics become one. */
  readonly source?: { readonly topics: string | readonly string[] | RegExp; readonly offsetReset: unknown }
  /** A repartition topic that an operator added. The optimiser may merge it with others. */
  readonly repartition?: { readonly topic: string; readonly key: AnySerde | null; readonly value: AnySerde | null }
  /** An internal topic that the step writes and reads. A topic without a number of partitions gets as many partitions as its sources have. */
  readonly ownTopic?: { readonly name: string; readonly partitions: number | null }
  /** Outputs that are joined. Equal keys must therefore be in the same partition. */
  readonly copartitioned?: readonly string[]
  /** True for a join of two streams. The join needs one store less if both are the same stream (KIP-862). */
  readonly isStreamJoin?: boolean
  write(topology: Topology, knowing: Knowing): void
}

/** Facts about the whole program that a step needs when it writes its nodes. */
export interface Knowing {
  /** True if a join that relaxes null keys comes after the step. */
  readonly wantsNullKeys: boolean
  readonly joinsItself: boolean
  /** True if a source topic replaces the changelog of its table. */
  readonly reusesSources: boolean
}

export interface BuildOptions {
  /** `all` merges repartition topics, and joins a stream with itself in one store. */
  optimization?: 'none' | 'all'
}

/** The steps that one StreamsBuilder has collected. Generated names are numbered in the order of the calls, as in Kafka Streams. */
export class StreamsGraph {
  readonly #nodes: LogicalNode[] = []
  readonly #prefix: string
  #index = 0

  /** `prefix` begins every generated name. */
  constructor(prefix = '') {
    this.#prefix = prefix
  }

  newName(prefix: string): string {
    return `${this.#prefix}${prefix}${this.#number()}`
  }

  /** The user's name, or a generated name. Both use up a number, so that naming a step does not change later names. */
  nameOr(given: string | null | undefined, prefix: string): string {
    const made = this.newName(prefix)
    return given == null ? made : validName(given)
  }

  /** Refuses a stream or table of another StreamsBuilder. */
  refuseStranger(other: StreamsGraph): void {
    if (other === this) return
    throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
      message: 'Two streams or tables that meet were made by different StreamsBuilders',
      next: 'Make both with one builder, or let one program write a topic that the other program reads.',
    })
  }

  newStoreName(prefix: string): string {
    return `${this.#prefix}${prefix}STATE-STORE-${this.#number()}`
  }

  add(node: LogicalNode): void {
    this.#nodes.push(node)
  }

  build(options?: BuildOptions): Topology {
    const topology = new Topology()
    this.writeTo(topology, options)
    // This call throws if an asynchronous step comes after a step with state, so the mistake shows before the application starts.
    topology.subtopologies()
    return topology
  }

  /** Adds the nodes of the steps to a topology. The topology may already have nodes from which these steps read. */
  writeTo(topology: Topology, { optimization = 'none' }: BuildOptions = {}): void {
    refuseUnevenRepartitions(this.#nodes)
    const before = this.#index
    const draft = new DraftGraph(this.#nodes)
    draft.mergeSources()
    if (optimization === 'all') draft.mergeRepartitions((prefix) => this.newName(prefix))
    const wanting = draft.wantingNullKeys()
    for (const { node, parents } of draft.nodes) {
      const joinsItself = optimization === 'all' && node.isStreamJoin === true && new Set(parents.values()).size === 1
      topology.whereParents(parents, () =>
        node.write(topology, { wantsNullKeys: wanting.has(node.output), joinsItself, reusesSources: optimization === 'all' }),
      )
    }
    // The counter goes back, so that a second build gives the same names.
    this.#index = before
  }

  #number(): string {
    return String(this.#index++).padStart(10, '0')
  }
}
