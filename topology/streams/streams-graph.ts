import { Topology } from '../graph.ts'
import type { AnySerde } from '../serde.ts'
import { WaggleError } from '../waggle-error.ts'

/** A step of a program in the DSL, in the order in which it was written; `write` makes its nodes. */
export interface LogicalNode {
  /** Of the node that the steps below it read from. */
  readonly output: string
  write(topology: Topology): void
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
    for (const node of this.#nodes) node.write(topology)
    return topology
  }

  #number(): string {
    return String(this.#index++).padStart(10, '0')
  }
}

/** Stands for a serde that was not given: the application's default takes its place when it starts. */
export class DefaultSerde {
  readonly of: 'key' | 'value'
  readonly where: string

  constructor(of: 'key' | 'value', where: string) {
    this.of = of
    this.where = where
  }

  serialize(): never {
    throw this.missing()
  }

  deserialize(): never {
    throw this.missing()
  }

  missing(): WaggleError {
    return new WaggleError('WAGGLE_SERDE_MISSING', {
      message: `${this.where} has no serde for its ${this.of}s`,
      next: `Give it one, or set ${this.of === 'key' ? 'defaultKeySerde' : 'defaultValueSerde'}.`,
    })
  }
}

export function serdeOr(serde: AnySerde | null, of: 'key' | 'value', where: string): AnySerde {
  return serde ?? (new DefaultSerde(of, where) as AnySerde)
}
