import { Topology } from '../graph.ts'

/** A step of a program in the DSL, in the order in which it was written; `write` makes its nodes. */
export interface LogicalNode {
  /** Of the node that the steps below it read from. */
  readonly output: string
  /** Outputs that it reads from. */
  readonly inputs: readonly string[]
  /** A join that lets a record without a key out unmatched (KIP-962). */
  readonly relaxesNullKeys?: boolean
  /** `wantsNullKeys`: such a join stands behind it. */
  write(topology: Topology, wantsNullKeys: boolean): void
}

/** What one StreamsBuilder has collected. Names are counted up in the order of the calls, as Kafka Streams counts them. */
export class StreamsGraph {
  readonly #nodes: LogicalNode[] = []
  #index = 0

  newName(prefix: string): string {
    return `${prefix}${this.#number()}`
  }

  newStoreName(prefix: string): string {
    return `${prefix}STATE-STORE-${this.#number()}`
  }

  add(node: LogicalNode): void {
    this.#nodes.push(node)
  }

  build(): Topology {
    const topology = new Topology()
    const wanting = this.#wantingNullKeys()
    for (const node of this.#nodes) node.write(topology, wanting.has(node.output))
    return topology
  }

  /** Outputs with a join behind them that relaxes null keys. Parents come before their children. */
  #wantingNullKeys(): ReadonlySet<string> {
    const wanting = new Set<string>()
    for (const node of [...this.#nodes].reverse()) {
      if (node.relaxesNullKeys || wanting.has(node.output)) for (const input of node.inputs) wanting.add(input)
    }
    return wanting
  }

  #number(): string {
    return String(this.#index++).padStart(10, '0')
  }
}
