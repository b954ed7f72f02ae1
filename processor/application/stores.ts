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
  /** Those that run now, in this JavaScript thread and in others. */
  readonly threads: { readonly here: readonly StreamThread[]; readonly elsewhere: readonly ThreadElsewhere[] }
  /** What the application does now, for errors. */
  readonly state: () => string
}

/** The stores of an application as they are asked from outside: what this process has of them, and who has the rest. */
export class ApplicationStores {
  readonly #options: ApplicationStoresOptions

  constructor(options: ApplicationStoresOptions) {
    this.#options = options
  }

  /** One answer a partition of the store that is here. A global store is partition 0. */
  async query(store: string, request: QueryRequest, partitions: readonly number[] | null): Promise<ReadonlyMap<number, unknown>> {
    const answers = await this.queryKnown(store, request, partitions)
    const missing = partitions?.filter((partition) => !answers.has(partition)) ?? []
    if (missing.length === 0 && (answers.size > 0 || partitions?.length === 0)) return answers
    throw new WaggleError('WAGGLE_STORE_MIGRATED', {
      message: `${missing.length > 0 ? `Partition ${missing.join(', ')} of the store ${store}` : `The store ${store}`} is not here now (${this.#options.state()})`,
      next: 'Ask again in a moment: its task is on its way from one thread to another.',
    })
  }

  /** Of the partitions that this process has now. */
  async queryKnown(store: string, request: QueryRequest, partitions: readonly number[] | null): Promise<ReadonlyMap<number, unknown>> {
    const here = this.queryHere(store, request, partitions)
    const elsewhere = await Promise.all(this.#options.threads.elsewhere.map((thread) => thread.query(store, request, partitions)))
    return new Map([here, ...elsewhere].flatMap((answered) => [...answered]))
  }

  /** Of the tasks of this JavaScript thread alone. */
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

  /** What the last commit has under this key of a key-value store; null where it has nothing. */
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

  /** Of its tasks, which are as many as its changelog has partitions. */
  partitionsOf(store: string): number {
    const keeper = this.#keeperOf(store)
    return keeper === undefined || keeper.isGlobal ? 1 : this.#tasksOf(keeper)
  }

  /** Which hosts have a partition of a store, by the latest that this process was told (KIP-535). */
  hostsOf(store: string, partition: number): TaskHost {
    const task = `${this.#keeperOf(store)?.id ?? -1}_${partition}` as const
    const found = this.#options.threads.here.flatMap(({ assignors }) => assignors.map(({ hosts }) => hosts.of(task)))
    return found.find(({ active, standbys }) => active !== null || standbys.length > 0) ?? { active: null, standbys: [] }
  }

  /** Which process runs that partition of a store, of what this one and its threads elsewhere were told. */
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

/** As Kafka Streams makes names up. */
const generatedName = /STATE-STORE-\d{10}$/
