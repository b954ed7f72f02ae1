import type { Topology } from '../../topology/graph.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import type { LagInfo, StoreQuestion } from '../../topology/queries.ts'
import type { KeptStore, StateStore } from '../../topology/state-store.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { changelogTopic } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { TaskHost } from '../assignment/task-hosts.ts'
import type { Log } from '../ports.ts'
import { TaskMemory } from '../state/task-memory.ts'
import type { StoreLag, TaskStates } from '../state/task-states.ts'
import { openStore } from '../state/task-store.ts'
import type { StreamThread } from '../thread/stream-thread.ts'
import { statefulTasks } from '../thread/thread-assignor.ts'
import type { ThreadElsewhere } from '../thread/thread-elsewhere.ts'
import { answerQuery } from './store-query.ts'

export interface ApplicationStoresOptions {
  readonly applicationId: string
  readonly topology: Topology
  readonly subtopologies: readonly Subtopology[]
  readonly log: Log
  readonly states: TaskStates | null
  readonly partitionsOf: (topic: string) => number
  readonly threads: { readonly here: readonly StreamThread[]; readonly elsewhere: readonly ThreadElsewhere[] }
  /** The application's state, for error messages. */
  readonly state: () => string
}

/** The stores of an application for queries: the partitions that this process has, and the hosts of the other partitions. */
export class ApplicationStores {
  readonly #options: ApplicationStoresOptions

  constructor(options: ApplicationStoresOptions) {
    this.#options = options
  }

  /** Answers for every partition of the store in this process. A global store is partition 0. */
  async query(question: StoreQuestion): Promise<ReadonlyMap<number, unknown>> {
    const { store, partitions } = question
    const answers = await this.queryKnown(question)
    const missing = partitions?.filter((partition) => !answers.has(partition)) ?? []
    if (missing.length === 0 && (answers.size > 0 || partitions?.length === 0)) return answers
    throw new WaggleError('WAGGLE_STORE_MIGRATED', {
      message: `${missing.length > 0 ? `Partition ${missing.join(', ')} of the store ${store}` : `The store ${store}`} is not here now (${this.#options.state()})`,
      next: 'Ask again in a moment: its task is on its way from one thread to another.',
    })
  }

  /** Answers for the partitions that this process has now. */
  async queryKnown(question: StoreQuestion): Promise<ReadonlyMap<number, unknown>> {
    const answeredBy = async (asked: StoreQuestion) => {
      const elsewhere = await Promise.all(this.#options.threads.elsewhere.map((thread) => thread.query(asked)))
      return new Map([this.queryHere(asked), ...elsewhere].flatMap((answered) => [...answered]))
    }
    // Running tasks of all threads are asked before copies.
    const answers = await answeredBy({ ...question, allowsStale: false })
    if (!question.allowsStale) return answers
    const missing = this.#wanted(question).filter((partition) => !answers.has(partition))
    return missing.length === 0 ? answers : new Map([...answers, ...(await answeredBy({ ...question, partitions: missing }))])
  }

  /** Answers for the tasks of this JavaScript thread. If the question allows stale answers, copies answer too. */
  queryHere({ store, request, partitions, allowsStale }: StoreQuestion): ReadonlyMap<number, unknown> {
    const { topology, threads } = this.#options
    const builder = topology.stores.get(store)
    if (builder === undefined || builder.kind === 'custom' || (generatedName.test(store) && !topology.globalStores.has(store))) {
      throw new WaggleError('WAGGLE_STORE_UNKNOWN', {
        message:
          builder === undefined
            ? `There is no store ${store} to ask`
            : `The store ${store} is internal to a step, or has a generated name: nobody can query it`,
        next: 'Name a store of this topology: Materialized.as gives one a name.',
      })
    }
    const answers = new Map<number, unknown>()
    for (const task of threads.here.flatMap(({ tasks }) => tasks)) {
      const own = task.store(store)
      if (own === null || (partitions !== null && !partitions.includes(task.partition))) continue
      answers.set(task.partition, answerQuery(request, own, builder))
    }
    if (!allowsStale) return answers
    for (const partition of this.#wanted({ store, partitions })) {
      const copy = answers.has(partition) ? null : this.#copy(builder, partition)
      if (copy !== null) answers.set(partition, answerQuery(request, copy, builder))
    }
    return answers
  }

  /** Lags of the tasks and copies of this JavaScript thread. A running task has no lag. */
  async lagsHere(): Promise<readonly StoreLag[]> {
    const { states, threads, subtopologies, partitionsOf } = this.#options
    const running = threads.here.flatMap(({ tasks }) => tasks.map(({ id }) => id))
    const tasks = statefulTasks(subtopologies, partitionsOf)
    if (states !== null) return states.storeLags(tasks, running)
    return tasks
      .filter(({ id }) => running.some((one) => one === id))
      .flatMap(({ subtopology, partition }) =>
        subtopology.stores.flatMap((store) => (store.kind === 'custom' ? [] : { store: store.name, partition, current: 0, end: 0 })),
      )
  }

  /** Lags of this process, by store and partition (KIP-535). */
  async lags(): Promise<ReadonlyMap<string, ReadonlyMap<number, LagInfo>>> {
    const elsewhere = await Promise.all(this.#options.threads.elsewhere.map((thread) => thread.lags()))
    const lags = new Map<string, Map<number, LagInfo>>()
    for (const { store, partition, current, end } of [await this.lagsHere(), ...elsewhere].flat()) {
      const ofStore = lags.get(store) ?? new Map<number, LagInfo>()
      lags.set(store, ofStore)
      const offsetLag = Math.max(0, end - current)
      const other = ofStore.get(partition)
      if (other !== undefined && other.offsetLag <= offsetLag) continue
      ofStore.set(partition, { currentOffsetPosition: BigInt(current), endOffsetPosition: BigInt(end), offsetLag })
    }
    return lags
  }

  #wanted({ store, partitions }: Pick<StoreQuestion, 'store' | 'partitions'>): readonly number[] {
    return partitions ?? [...Array(this.partitionsOf(store)).keys()]
  }

  /** A copy of the store's partition, up to where its changelog has been read; null without a copy. */
  #copy(builder: KeptStore, partition: number): StateStore | null {
    const { applicationId, states } = this.#options
    const keeper = this.#keeperOf(builder.name)
    const state = keeper === undefined || keeper.isGlobal ? null : (states?.copyOf(`${keeper.id}_${partition}`) ?? null)
    if (state === null) return null
    const memory = new TaskMemory([...state.kept])
    return openStore(builder, state.store(builder.name), { topic: changelogTopic(applicationId, builder.name), maxEntries: 0, memory }).store
  }

  /** The committed value of a key in a key-value store; null if there is none. */
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
        next: 'Ask the process that runs the task of this partition.',
      })
    }
    const found = rows.get(bytes)
    return found === null ? null : (builder.value as unknown as { deserialize(topic: string, bytes: Uint8Array): V }).deserialize(topic, found)
  }

  has(store: string): boolean {
    return this.#options.topology.stores.has(store)
  }

  /** The number of the store's tasks, which is the number of its changelog's partitions. */
  partitionsOf(store: string): number {
    const keeper = this.#keeperOf(store)
    return keeper === undefined || keeper.isGlobal ? 1 : this.#tasksOf(keeper)
  }

  /** The hosts of a store's partition, according to the last assignment that this process received (KIP-535). */
  hostsOf(store: string, partition: number): TaskHost {
    const task = `${this.#keeperOf(store)?.id ?? -1}_${partition}` as const
    const found = this.#options.threads.here.flatMap(({ assignors }) => assignors.map(({ hosts }) => hosts.of(task)))
    return found.find(({ active, standbys }) => active !== null || standbys.length > 0) ?? { active: null, standbys: [] }
  }

  /** The hosts of a store's partition, as this process and its threads elsewhere know them. */
  async hostsKnown(store: string, partition: number): Promise<TaskHost> {
    const here = this.hostsOf(store, partition)
    if (here.active !== null) return here
    const told = await Promise.all(this.#options.threads.elsewhere.map((thread) => thread.hostsOf(store, partition)))
    const known = [here, ...told]
    return { active: known.find(({ active }) => active !== null)?.active ?? null, standbys: [...new Set(known.flatMap(({ standbys }) => standbys))] }
  }

  #keeperOf(store: string): Subtopology | undefined {
    return this.#options.subtopologies.find(({ stores }) => stores.some(({ name }) => name === store))
  }

  #tasksOf({ sources }: Subtopology): number {
    return Math.max(...sources.map((source) => this.#options.partitionsOf(source)))
  }
}

/** Matches a store name that Kafka Streams has generated. */
const generatedName = /STATE-STORE-\d{10}$/
