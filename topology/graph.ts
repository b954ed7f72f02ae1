import type { AsyncStep } from './async-step.ts'
import type { Capabilities } from './capabilities.ts'
import { type Consumed, type OffsetReset, type TimestampExtractor, TimestampExtractors } from './consumed.ts'
import type { Operator } from './operator.ts'
import type { ProcessorSupplier } from './processor-api.ts'
import type { Produced, StreamPartitioner } from './produced.ts'
import type { Record, RecordMetadata } from './record.ts'
import type { AnySerde } from './serde.ts'
import type { KeptStore, StateStore, StoreBuilder, StoreSpec } from './state-store.ts'
import { serdeOr } from './streams/unset-serde.ts'
import { type Subtopology, subtopologiesOf } from './subtopology.ts'
import { describe, type TopologyDescription } from './topology-description.ts'
import { WaggleError } from './waggle-error.ts'

export type TopicNameExtractor<K, V> = (key: K, value: V, record: RecordMetadata & Record<K, V>) => string

/** A node's name, as `Named.as` returns it. */
export interface NodeName {
  readonly name: string
}
interface Named {
  readonly name: string
}
export interface SourceNode extends Named {
  readonly kind: 'source'
  readonly topics: readonly string[]
  /** The pattern of the topics to read. When the application starts, `topics` gets all matching topics. */
  readonly pattern: RegExp | null
  readonly key: AnySerde
  readonly value: AnySerde
  readonly timestampExtractor: TimestampExtractor | null
  readonly offsetReset: OffsetReset
  readonly skips: Consumed<unknown, unknown>['skips']
  /** True if a record without key or value fails, as a record that cannot be deserialised does. */
  readonly refusesNulls?: boolean
}
export interface ProcessorNode extends Named {
  readonly kind: 'processor'
  readonly supplier: ProcessorSupplier<never, never, unknown, unknown>
  readonly parents: readonly string[]
}
/** A step of the engine. This object describes the step; `processor/operators/` runs it. */
export interface OperatorNode extends Named {
  readonly kind: 'operator'
  readonly operator: Operator
  readonly parents: readonly string[]
}
export interface AsyncNode extends Named {
  readonly kind: 'async'
  readonly step: AsyncStep<never, never, never, never>
  readonly parents: readonly string[]
}
export interface SinkNode extends Named {
  readonly kind: 'sink'
  readonly topic: string | TopicNameExtractor<never, never>
  readonly key: AnySerde
  readonly value: AnySerde
  readonly partitioner: StreamPartitioner<never, never> | null
  readonly parents: readonly string[]
}
export type GraphNode = SourceNode | ProcessorNode | OperatorNode | AsyncNode | SinkNode

export interface ProcessOptions {
  /** The stores that the processor may use. A builder among them is added to the topology (KIP-401). */
  readonly stores?: readonly (string | StoreBuilder<StateStore> | StoreSpec)[]
  /** Names the node of the DSL's `process`. Default: a generated name. */
  readonly named?: NodeName
}

/** The arguments of `addSourceWith`. */
export interface SourceParts {
  readonly key: AnySerde
  readonly value: AnySerde
  readonly timestampExtractor?: TimestampExtractor | null
  readonly skips?: SourceNode['skips']
  readonly isShared?: boolean
  readonly refusesNulls?: boolean
}

/** A graph of source, processor and sink nodes with their state stores. The graph describes the program. The engine decides how to run it. */
export class Topology {
  readonly #nodes = new Map<string, GraphNode>()
  readonly #stores = new Map<string, StoreSpec>()
  /** Each store as its caller gave it: a builder or a specification. */
  readonly #added = new Map<string, StoreBuilder<StateStore> | StoreSpec>()
  /**
   * Internal topics. When the application runs, its id precedes the names of these topics. A topic without a number of partitions gets as many
   * partitions as its sources have.
   */
  readonly #internalTopics = new Map<string, number | null>()
  /** The names of the nodes that use a store, by the store's name. */
  readonly #users = new Map<string, Set<string>>()
  readonly #given = new Map<string, readonly string[]>()
  readonly #globalStores = new Set<string>()
  /** The capabilities that a node needs from its machine, by the node's name. */
  readonly #needs = new Map<string, Capabilities>()
  /** The current name of each parent, by its original name. Used while rearranged steps are written. */
  #parents: ReadonlyMap<string, string> = new Map()

  get nodes(): ReadonlyMap<string, GraphNode> {
    return this.#nodes
  }

  get stores(): ReadonlyMap<string, StoreSpec> {
    return this.#stores
  }

  /** The stores that a node uses, in the order in which they were connected. */
  storesOf(node: string): readonly string[] {
    return this.#given.get(node) ?? []
  }

  /** Stores of which every process has a full copy, and which every task may read. */
  get globalStores(): ReadonlySet<string> {
    return this.#globalStores
  }

  /** Makes a store global: every process reads its whole topic. The store must have one source and one processor. */
  makeGlobal(store: string): this {
    this.#globalStores.add(store)
    return this
  }

  needsOf(node: string): Capabilities {
    return this.#needs.get(node) ?? {}
  }

  /** Makes the node's whole sub-topology run only on machines with these capabilities (`{ gpu: 1 }`). Kafka Streams has no such method. */
  requireCapabilities(node: string, needs: Capabilities): this {
    if (!this.#nodes.has(node)) throw mistake(`${node} is not a node of this topology`, 'Add the node before saying what it needs.')
    this.#needs.set(node, needs)
    return this
  }

  get internalTopics(): ReadonlyMap<string, number | null> {
    return this.#internalTopics
  }

  addInternalTopic(name: string, partitions: number | null): this {
    this.#internalTopics.set(name, partitions)
    return this
  }

  /** Runs `act`. Nodes that `act` adds read from the parents in this map instead of their original parents. */
  whereParents(parents: ReadonlyMap<string, string>, act: () => void): void {
    this.#parents = parents
    act()
    this.#parents = new Map()
  }

  usersOf(store: string): ReadonlySet<string> {
    return this.#users.get(store) ?? new Set()
  }

  /** The parts of the graph that share no node and no store. Records pass from one part to another only through topics. */
  subtopologies(): readonly Subtopology[] {
    return subtopologiesOf(this)
  }

  describe(): TopologyDescription {
    return describe(this)
  }

  /** A copy of the topology. In the copy, sources with patterns read the matching topics among `names`, except the application's own topics. */
  withTopics(names: readonly string[]): Topology {
    if (![...this.#nodes.values()].some((node) => node.kind === 'source' && node.pattern !== null)) return this
    const others = names.filter((name) => !this.#internalTopics.has(name)).sort()
    const copy = this.mapped({ topic: (name) => name, serde: (serde) => serde, timestampExtractor: null })
    for (const node of copy.#nodes.values()) {
      if (node.kind !== 'source' || node.pattern === null) continue
      const { pattern } = node
      copy.#nodes.set(node.name, { ...node, topics: others.filter((name) => matchesWhole(pattern, name)) })
    }
    return copy
  }

  /** A copy with the topics and serdes that these functions return. Sources without an extractor get `timestampExtractor`. */
  mapped({
    topic,
    serde,
    timestampExtractor,
  }: {
    topic(name: string): string
    serde(serde: AnySerde): AnySerde
    timestampExtractor: TimestampExtractor | null
  }): Topology {
    const copy = new Topology()
    for (const node of this.#nodes.values()) {
      if (node.kind === 'source')
        copy.#nodes.set(node.name, {
          ...node,
          topics: node.topics.map(topic),
          key: serde(node.key),
          value: serde(node.value),
          timestampExtractor: node.timestampExtractor ?? timestampExtractor,
        })
      else if (node.kind === 'sink') {
        const to = typeof node.topic === 'string' ? topic(node.topic) : node.topic
        copy.#nodes.set(node.name, { ...node, topic: to, key: serde(node.key), value: serde(node.value) })
      } else if (node.kind === 'operator' && 'serdes' in node.operator) {
        const serdes = Object.fromEntries(Object.entries(node.operator.serdes).map(([of, one]) => [of, serde(one)]))
        copy.#nodes.set(node.name, { ...node, operator: { ...node.operator, serdes } as Operator })
      } else copy.#nodes.set(node.name, node)
    }
    for (const store of this.#stores.values())
      copy.#stores.set(store.name, store.kind === 'custom' ? store : { ...store, key: serde(store.key), value: serde(store.value) })
    for (const [store, users] of this.#users) copy.#users.set(store, new Set(users))
    for (const [node, stores] of this.#given) copy.#given.set(node, stores)
    for (const store of this.#globalStores) copy.#globalStores.add(store)
    for (const [node, needs] of this.#needs) copy.#needs.set(node, needs)
    for (const [name, partitions] of this.#internalTopics) copy.#internalTopics.set(topic(name), partitions)
    return copy
  }

  addSource<K, V>(name: string, topics: string | readonly string[] | RegExp, consumed: Consumed<K, V>): this {
    const pattern = topics instanceof RegExp ? topics : null
    const list = topics instanceof RegExp ? [] : typeof topics === 'string' ? [topics] : topics
    if (list.length === 0 && pattern === null) throw mistake(`Source ${name} reads no topic`, 'Name at least one topic.')
    this.#refuseSharedTopics(name, list, pattern)
    return this.#add({
      kind: 'source',
      name,
      topics: list,
      pattern,
      key: serdeOr(consumed.key, 'key', name),
      value: serdeOr(consumed.value, 'value', name),
      timestampExtractor: consumed.options.timestampExtractor ?? null,
      offsetReset: consumed.options.offsetReset ?? 'earliest',
      skips: consumed.skips,
    })
  }

  /**
   * Adds a source, for serdes without static types. A source without an extractor uses the application's extractor. Several sub-topologies may read
   * the same topic, each with positions of its own.
   */
  addSourceWith(name: string, topics: readonly string[], parts: SourceParts): this {
    const { key, value, timestampExtractor = null, skips = noSkips, isShared = false, refusesNulls = false } = parts
    if (!isShared) this.#refuseSharedTopics(name, topics, null)
    return this.#add({ kind: 'source', name, topics, pattern: null, key, value, timestampExtractor, offsetReset: 'earliest', skips, refusesNulls })
  }

  addProcessor<K, V, K2, V2>(
    name: string,
    supplier: ProcessorSupplier<K, V, K2, V2>,
    parents: readonly string[],
    options: ProcessOptions = {},
  ): this {
    this.#add({ kind: 'processor', name, supplier: supplier as ProcessorNode['supplier'], parents: this.#known(name, parents) })
    return this.#give(name, options)
  }

  addOperator(name: string, operator: Operator, parents: readonly string[], options: ProcessOptions = {}): this {
    this.#add({ kind: 'operator', name, operator, parents: this.#known(name, parents) })
    return this.#give(name, options)
  }

  /** Adds an asynchronous node: its results come from a call that the stream thread does not wait for. Kafka Streams has no such node. */
  addAsync<K, V, R, W>(name: string, step: AsyncStep<K, V, R, W>, parents: readonly string[]): this {
    return this.#add({ kind: 'async', name, step: step as unknown as AsyncNode['step'], parents: this.#known(name, parents) })
  }

  addSink<K, V>(name: string, topic: string | TopicNameExtractor<K, V>, parents: readonly string[], produced: Produced<K, V>): this {
    const { key, value, options } = produced
    const serdes = { key: serdeOr(key, 'key', name), value: serdeOr(value, 'value', name) }
    return this.addSinkWith(name, topic as SinkNode['topic'], parents, { ...serdes, partitioner: options.partitioner ?? null })
  }

  /** Adds a sink, for serdes without static types. */
  addSinkWith(
    name: string,
    topic: SinkNode['topic'],
    parents: readonly string[],
    { key, value, partitioner }: Pick<SinkNode, 'key' | 'value' | 'partitioner'>,
  ): this {
    return this.#add({ kind: 'sink', name, topic, key, value, partitioner, parents: this.#known(name, parents) })
  }

  /** Adds a store. The same builder may be added again, for a shared store. Throws WAGGLE_STORE_EXISTS for another builder with the same name. */
  addStateStore(store: StoreBuilder<StateStore> | StoreSpec, processors: readonly string[] = []): this {
    this.#addStore(store, 'kind' in store ? store : { name: store.name, kind: 'custom', build: () => store.build() })
    for (const processor of processors) this.connectProcessorAndStateStores(processor, [store.name])
    return this
  }

  #addStore(store: StoreBuilder<StateStore> | StoreSpec, spec: StoreSpec): void {
    const there = this.#added.get(store.name)
    if (there !== undefined && there !== store) {
      throw new WaggleError('WAGGLE_STORE_EXISTS', {
        message: `There is a state store named ${store.name} already`,
        next: 'Give one of the two stores another name.',
      })
    }
    this.#added.set(store.name, store)
    this.#stores.set(store.name, spec)
  }

  /**
   * Adds a store whose changelog is a topic that other programs write (KIP-813). The supplier's processor puts the topic's records into the store. A
   * lost store is filled with the topic's rows as they are. Other processors may be connected to the store, but should only read from it. Throws
   * WAGGLE_INVALID_TOPOLOGY for a store that `Stores` did not make.
   *
   * @example
   * ```ts
   * const prices = Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore('prices'), text, Serdes.double())
   * topology.addReadOnlyStateStore(prices, 'price-source', Consumed.with(text, Serdes.double()), 'prices-in', 'price-keeper', () => {
   *   let put = (_item: string, _price: number | null) => {}
   *   return {
   *     init: (context) => {
   *       const store = context.getStateStore(prices)
   *       put = (item, price) => store.put(item, price)
   *     },
   *     process: ({ key, value }) => {
   *       if (key !== null) put(key, value)
   *     },
   *   }
   * })
   * topology.connectProcessorAndStateStores('price-reader', ['prices'])
   * ```
   */
  addReadOnlyStateStore<K, V>(
    store: StoreBuilder<StateStore>,
    sourceName: string,
    consumed: Consumed<K, V>,
    topic: string,
    processorName: string,
    supplier: ProcessorSupplier<K, V, never, never>,
  ): this {
    if (!('kind' in store) || store.kind === 'custom') {
      throw mistake(
        `The store ${store.name} is its maker’s own, so it cannot be filled from the topic ${topic}`,
        'Make the store with a function of Stores.',
      )
    }
    const spec = { ...(store as StoreBuilder<StateStore> & KeptStore), logging: true, sourceTopic: topic }
    this.addSource(sourceName, topic, consumed)
    this.addProcessor(processorName, supplier, [sourceName])
    this.#addStore(store, spec)
    return this.connectProcessorAndStateStores(processorName, [store.name])
  }

  /**
   * Adds a global store. Every process has the whole store, and every processor may read it. Only the supplier's processor writes to it, from the
   * records of the topic.
   *
   * @example
   * ```ts
   * const names = Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore('names'), text, text, { logging: false })
   * topology.addGlobalStore(names, 'name-source', Consumed.with(text, text), 'names-in', 'name-keeper', () => {
   *   let put = (_id: string, _name: string | null) => {}
   *   return {
   *     init: (context) => {
   *       const store = context.getStateStore(names)
   *       put = (id, name) => store.put(id, name)
   *     },
   *     process: ({ key, value }) => put(key ?? '', value),
   *   }
   * })
   * ```
   *
   * @remarks A write by another processor throws WAGGLE_STORE_READ_ONLY. Records keep their own timestamps, even if the application has a timestamp
   * extractor.
   */
  addGlobalStore<K, V>(
    store: StoreBuilder<StateStore>,
    sourceName: string,
    consumed: Consumed<K, V>,
    topic: string,
    processorName: string,
    supplier: ProcessorSupplier<K, V, never, never>,
  ): this {
    this.addSourceWith(sourceName, [topic], globalSource(sourceName, consumed as Consumed<unknown, unknown>))
    this.addProcessor(processorName, supplier, [sourceName], { stores: [store] })
    return this.makeGlobal(store.name)
  }

  connectProcessorAndStateStores(processor: string, stores: readonly string[]): this {
    const node = this.#nodes.get(processor)
    const mayUseStores = node?.kind === 'processor' || node?.kind === 'operator' || (node?.kind === 'async' && node.step.repeats !== undefined)
    if (!mayUseStores) {
      throw mistake(`${processor} is not a processor of this topology`, 'Add the processor before connecting stores to it.')
    }
    for (const store of stores) {
      if (!this.#stores.has(store)) {
        throw new WaggleError('WAGGLE_STORE_UNKNOWN', {
          message: `Processor ${processor} wants the store ${store}, which was not added`,
          next: 'Add the store with addStateStore first.',
        })
      }
      // Each task has the global stores already.
      if (this.#globalStores.has(store)) continue
      const users = this.#users.get(store) ?? new Set()
      users.add(processor)
      this.#given.set(processor, [...new Set([...(this.#given.get(processor) ?? []), store])])
      this.#users.set(store, users)
    }
    return this
  }

  #give(name: string, options: ProcessOptions): this {
    for (const store of options.stores ?? []) {
      if (typeof store === 'string') this.connectProcessorAndStateStores(name, [store])
      else this.addStateStore(store, [name])
    }
    return this
  }

  #add(node: GraphNode): this {
    if (this.#nodes.has(node.name)) throw mistake(`There is a node named ${node.name} already`, 'Give one of the two another name.')
    this.#nodes.set(node.name, node)
    return this
  }

  /** Refuses a topic that two sources read, by its name or by a pattern. */
  #refuseSharedTopics(name: string, topics: readonly string[], pattern: RegExp | null): void {
    const twice = topics.find((topic, at) => topics.indexOf(topic) !== at)
    if (twice !== undefined) throw mistake(`${name} reads the topic ${twice} twice`, 'Name each topic once.')
    for (const other of this.#nodes.values()) {
      if (other.kind !== 'source') continue
      const matched = matchedBy(other.pattern, topics) ?? matchedBy(pattern, other.topics)
      if (matched !== undefined) {
        throw mistake(
          `${other.name} and ${name} both read the topic ${matched}: one by its name, the other by the pattern ${pattern ?? other.pattern}`,
          'Choose a pattern that does not match the topic, or read the topic through the pattern alone.',
        )
      }
      const shared = topics.find((topic) => other.topics.includes(topic))
      if (shared === undefined) continue
      throw mistake(
        `${other.name} and ${name} both read the topic ${shared}`,
        'Read it once, and let several nodes be fed by it: toTable makes a table of a stream, toStream a stream of a table.',
      )
    }
  }

  #known(name: string, named: readonly string[]): readonly string[] {
    const order = [...this.#parents.keys()]
    const inOrder = order.length === 0 ? named : named.toSorted((a, b) => order.indexOf(a) - order.indexOf(b))
    const parents = [...new Set(inOrder.map((parent) => this.#parents.get(parent) ?? parent))]
    if (parents.length === 0) throw mistake(`Node ${name} has no parent`, 'Name at least one node that feeds it.')
    for (const parent of parents) {
      const kind = this.#nodes.get(parent)?.kind
      if (kind === undefined) throw mistake(`Node ${name} is fed by ${parent}, which was not added`, 'Add parents before their children.')
      if (kind === 'sink') throw mistake(`Node ${name} is fed by the sink ${parent}`, 'Read the sink’s topic with a source instead.')
    }
    return parents
  }
}

function matchedBy(pattern: RegExp | null, topics: readonly string[]): string | undefined {
  return pattern === null ? undefined : topics.find((topic) => matchesWhole(pattern, topic))
}

/** The source of a global store. Records keep their own timestamps, even if the application has a timestamp extractor. */
export function globalSource(name: string, { key, value, skips }: Pick<Consumed<unknown, unknown>, 'key' | 'value' | 'skips'>): SourceParts {
  return { key: serdeOr(key, 'key', name), value: serdeOr(value, 'value', name), skips, timestampExtractor: TimestampExtractors.failOnInvalid }
}

/** A pattern must match the whole name, as in Kafka Streams. */
function matchesWhole(pattern: RegExp, name: string): boolean {
  return new RegExp(`^(?:${pattern.source})$`, pattern.flags.replace(/[gy]/g, '')).test(name)
}

const noSkips = { nullKeys: false, nullValues: false }

function mistake(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_INVALID_TOPOLOGY', { message, next })
}
