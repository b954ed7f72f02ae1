import type { Topology } from '../../topology/graph.ts'
import { changelogTopic } from '../../topology/naming.ts'
import type { QueryRequest } from '../../topology/queries.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { TaskHost } from '../assignment/task-hosts.ts'
import { partitionForKey } from '../partitioner.ts'
import type { Log } from '../ports.ts'
import type { TaskStates } from '../state/task-states.ts'
import type { StreamThread } from '../thread/stream-thread.ts'
import type { ThreadElsewhere } from '../thread/thread-elsewhere.ts'
import { answerQuery } from './store-query.ts'

export interface ApplicationStoresOptions {
  readonly applicationId: string
  readonly topology: Topology
  readonly subtopologies: readonly Subtopology[]
  readonly log: Log
  readonly states: TaskStates | null
  readonly partitionsOf: (topic: string) => number
  /** Running threads, in this JavaScript thread and in others. */
  readonly threads: { readonly here: readonly StreamThread[]; readonly elsewhere: readonly ThreadElsewhere[] }
  /** The application's state, for errors. */
  readonly state: () => string
}

/** The stores of an application as queries see them: the partitions of this process, and the owners of the rest. */
export class ApplicationStores {
  readonly #options: ApplicationStoresOptions

  constructor(options: ApplicationStoresOptions) {
    this.#options = options
  }

  /** Answers for each partition of the store that is here. A global store is partition 0. */
  async query(store: string, request: QueryRequest, partitions: readonly number[] | null): Promise<ReadonlyMap<number, unknown>> {
    const answers = await this.queryKnown(store, request, partitions)
    const missing = partitions?.filter((partition) => !answers.has(partition)) ?? []
    if (missing.length === 0 && (answers.size > 0 || partitions?.length === 0)) return answers
    throw new WaggleError('WAGGLE_STORE_MIGRATED', {
      message: `${missing.length > 0 ? `Partition ${missing.join(', ')} of the store ${store}` : `The store ${store}`} is not here now (${this.#options.state()})`,
      next: 'Ask again in a moment: its task is on its way from one thread to another.',
    })
  }

  /** Answers for the partitions that this process has at this moment. */
  async queryKnown(store: string, request: QueryRequest, partitions: readonly number[] | null): Promise<ReadonlyMap<number, unknown>> {
    const here = this.queryHere(store, request, partitions)
    const elsewhere = await Promise.all(this.#options.threads.elsewhere.map((thread) => thread.query(store, request, partitions)))
    return new Map([here, ...elsewhere].flatMap((answered) => [...answered]))
  }

  /** Answers for the tasks of this JavaScript thread alone. */
  queryHere(store: string, request: QueryRequest, partitions: readonly number[] | null): ReadonlyMap<number, unknown> {
    const { topology, threads } = this.#options
    const builder = topology.stores.get(store)
    if (builder === undefined || builder.kind === 'custom' || (generatedName.test(store) && !topology.globalStores.has(store))) {
      throw new WaggleError('WAGGLE_STORE_UNKNOWN', {
        message:
          builder === undefined
            ? `There is no store ${store} to ask`
            : `The store ${store} is its maker’s own, or has a made-up name: nobody can ask it`,
        next: 'Name a store of this topology: Materialized.as gives one a name.',
      })
    }
    const answers = new Map<number, unknown>()
    for (const task of threads.here.flatMap(({ tasks }) => tasks)) {
      const own = task.store(store)
      if (own === null || (partitions !== null && !partitions.includes(task.partition))) continue
      answers.set(task.partition, answerQuery(request, own, builder))
    }
    return answers
  }

  /** The value of a key of a key-value store in the last commit; null where there is none. */
  committed<K, V>(store: string, key: K): V | null {
    const { applicationId, topology, log, states } = this.#options
    const builder = topology.stores.get(store)
    const keeper = this.#keeperOf(store)
    if (builder === undefined || builder.kind === 'custom' || keeper === undefined) {
      throw new WaggleError('WAGGLE_STORE_UNKNOWN', { message: `There is no store ${store} to ask`, next: 'Name a store of this topology.' })
    }
    const topic = changelogTopic(applicationId, store)
    const bytes = (builder.key as unknown as { serialize(topic: string, key: K): Uint8Array }).serialize(topic, key)
    const partition = partitionForKey(bytes, this.#tasksOf(keeper))
    const rows =
      log.state === null ? states?.stateOf(`${keeper.id}_${partition}`)?.store(store) : log.state.open(`${applicationId}/${partition}`, store)
    if (rows === undefined) {
      throw new WaggleError('WAGGLE_STORE_MIGRATED', {
        message: `Partition ${partition} of the store ${store} is not here now`,
        next: 'Ask the process that runs its task.',
      })
    }
    const found = rows.get(bytes)
    return found === null ? null : (builder.value as unknown as { deserialize(topic: string, bytes: Uint8Array): V }).deserialize(topic, found)
  }

  has(store: string): boolean {
    return this.#options.topology.stores.has(store)
  }

  /** Count of the store's tasks, which is its changelog's count of partitions. */
  partitionsOf(store: string): number {
    const keeper = this.#keeperOf(store)
    return keeper === undefined || keeper.isGlobal ? 1 : this.#tasksOf(keeper)
  }

  /** Hosts of a partition of a store, by the last assignment that this process received (KIP-535). */
  hostsOf(store: string, partition: number): TaskHost {
    const task = `${this.#keeperOf(store)?.id ?? -1}_${partition}` as const
    const found = this.#options.threads.here.flatMap(({ assignors }) => assignors.map(({ hosts }) => hosts.of(task)))
    return found.find(({ active, standbys }) => active !== null || standbys.length > 0) ?? { active: null, standbys: [] }
  }

  /** The process that runs this partition of a store, as far as this process and its threads elsewhere know. */
  async hostOf(store: string, partition: number): Promise<string | null> {
    const { active } = this.hostsOf(store, partition)
    if (active !== null) return active
    const told = await Promise.all(this.#options.threads.elsewhere.map((thread) => thread.hostOf(store, partition)))
    return told.find((host) => host !== null) ?? null
  }

  #keeperOf(store: string): Subtopology | undefined {
    return this.#options.subtopologies.find(({ stores }) => stores.some(({ name }) => name === store))
  }

  #tasksOf({ sources }: Subtopology): number {
    return Math.max(...sources.map((source) => this.#options.partitionsOf(source)))
  }
}

/** Names that Kafka Streams generates. */
const generatedName = /STATE-STORE-\d{10}$/
