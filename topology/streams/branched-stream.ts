import type { StreamsOperator } from '../operators/streams-operators.ts'
import { type KStream, Stream, type StreamParts } from './kstream.ts'
import type { Named } from './options.ts'
import { passThrough } from './pass-through.ts'
import type { Predicate } from './shared-types.ts'

/** A stream that is split into branches. A record goes to the first branch whose predicate returns true. */
export interface BranchedKStream<K, V> {
  /**
   * Adds a branch. The branch gets the records for which its predicate returns true, unless an earlier branch has taken them. Keys, values and
   * partitions stay.
   *
   * @example
   * ```ts
   * const branches = orders
   *   .split(Named.as('by-size-'))
   *   .branch((_, order) => order.total >= 1_000, Branched.as('huge'))
   *   .branch((_, order) => order.total >= 100, Branched.as('large'))
   *   .noDefaultBranch()
   * branches.get('by-size-huge')?.to('huge-orders', Produced.with(text, orderSerde))
   * ```
   *
   * @remarks Branches are tried in the order in which they were added.
   */
  branch(predicate: Predicate<K, V>, branched?: Branched<K, V>): BranchedKStream<K, V>
  /**
   * Adds a branch for all other records, and returns all branches by name.
   *
   * @example
   * ```ts
   * const branches = orders
   *   .split(Named.as('by-size-'))
   *   .branch((_, order) => order.total >= 100, Branched.as('large'))
   *   .defaultBranch(Branched.as('small'))
   * branches.get('by-size-small')?.to('small-orders', Produced.with(text, orderSerde))
   * ```
   *
   * @remarks A branch that `Branched.withConsumer` has consumed is not in the map. A branch without a name is named by its number. The default branch
   * has the number 0.
   */
  defaultBranch(branched?: Branched<K, V>): ReadonlyMap<string, KStream<K, V>>
  /**
   * Returns all branches by name. Records that no branch has taken are dropped.
   *
   * @example
   * ```ts
   * orders
   *   .split()
   *   .branch((_, order) => order.total >= 100, Branched.withConsumer((large) => large.to('large-orders', Produced.with(text, orderSerde))))
   *   .noDefaultBranch()
   * ```
   */
  noDefaultBranch(): ReadonlyMap<string, KStream<K, V>>
}

/** The name of a branch, and the function that takes the branch's stream. */
export class Branched<K, V> {
  readonly name: string | null
  readonly chain: ((stream: KStream<K, V>) => KStream<K, V> | null) | null
  declare private readonly types: ['branched', K, V]

  private constructor(name: string | null, chain: Branched<K, V>['chain']) {
    this.name = name
    this.chain = chain
  }

  /**
   * Names a branch. The full name is the split's name followed by this name.
   *
   * @example
   * ```ts
   * const branches = orders.split(Named.as('by-size-')).branch((_, order) => order.total >= 100, Branched.as('large')).noDefaultBranch()
   * branches.get('by-size-large')?.to('large-orders', Produced.with(text, orderSerde))
   * ```
   */
  static as<K, V>(name: string): Branched<K, V> {
    return new Branched(name, null)
  }

  /**
   * Passes the branch to a function that consumes it. The branch is then not in the map.
   *
   * @example
   * ```ts
   * orders
   *   .split()
   *   .branch((_, order) => order.total >= 100, Branched.withConsumer((large) => large.to('large-orders', Produced.with(text, orderSerde))))
   *   .noDefaultBranch()
   * ```
   */
  static withConsumer<K, V>(consumer: (stream: KStream<K, V>) => void, named?: Named): Branched<K, V> {
    return new Branched(named?.name ?? null, (stream: KStream<K, V>) => {
      consumer(stream)
      return null
    })
  }

  /**
   * Passes the branch to a function. The map gets the stream that the function returns.
   *
   * @example
   * ```ts
   * const branches = orders
   *   .split(Named.as('by-size-'))
   *   .branch((_, order) => order.total >= 100, Branched.withFunction((large) => large.filter((_, order) => order.items.length > 1), Named.as('large')))
   *   .noDefaultBranch()
   * branches.get('by-size-large')?.to('large-orders', Produced.with(text, orderSerde))
   * ```
   */
  static withFunction<K, V>(chain: (stream: KStream<K, V>) => KStream<K, V>, named?: Named): Branched<K, V> {
    return new Branched(named?.name ?? null, chain)
  }
}

export class SplitStream<K, V> implements BranchedKStream<K, V> {
  readonly #parts: StreamParts
  readonly #name: string
  readonly #predicates: Predicate<K, V>[] = []
  readonly #children: string[] = []
  readonly #branches = new Map<string, KStream<K, V>>()

  constructor(parts: StreamParts, name: string) {
    this.#parts = parts
    this.#name = name
    const operator: StreamsOperator = {
      op: 'each',
      each: (record, forward) => {
        const at = this.#predicates.findIndex((predicate) => predicate(record.key as K, record.value as V))
        const child = this.#children[at < 0 ? this.#predicates.length : at]
        if (child !== undefined) forward(record, child)
      },
    }
    parts.graph.add({ output: name, inputs: [parts.output], write: (topology) => topology.addOperator(name, operator, [parts.output]) })
  }

  branch(predicate: Predicate<K, V>, branched?: Branched<K, V>): BranchedKStream<K, V> {
    this.#predicates.push(predicate)
    this.#add(branched, this.#predicates.length)
    return this
  }

  defaultBranch(branched?: Branched<K, V>): ReadonlyMap<string, KStream<K, V>> {
    this.#add(branched, 0)
    return this.#branches
  }

  noDefaultBranch(): ReadonlyMap<string, KStream<K, V>> {
    return this.#branches
  }

  #add(branched: Branched<K, V> | undefined, index: number): void {
    const { graph } = this.#parts
    const name = `${this.#name}${branched?.name ?? index}`
    this.#children.push(name)
    graph.newName('')
    graph.add({ output: name, inputs: [this.#name], write: (topology) => topology.addOperator(name, passThrough, [this.#name]) })
    const stream: KStream<K, V> = new Stream({ ...this.#parts, output: name })
    const kept = branched?.chain ? branched.chain(stream) : stream
    if (kept !== null) this.#branches.set(name, kept)
  }
}
