import type { Topology } from '../topology/graph.ts'
import { changelogTopic } from '../topology/naming.ts'
import type { Subtopology } from '../topology/subtopology.ts'
import { WaggleError } from '../topology/waggle-error.ts'
import type { Flights } from './async/flights.ts'
import { partitionForKey } from './partitioner.ts'
import type { Clock, Log, TopicSpec } from './ports.ts'
import { type FailurePolicy, failAlways } from './task/failures.ts'
import { OpenWorkers } from './thread/open-workers.ts'
import { StreamThread } from './thread/stream-thread.ts'
import { planTasks, type TaskPlan } from './thread/task-assignment.ts'

export type StreamsState = 'CREATED' | 'REBALANCING' | 'RUNNING' | 'PENDING_SHUTDOWN' | 'NOT_RUNNING' | 'PENDING_ERROR' | 'ERROR'

export interface ApplicationOptions {
  readonly applicationId: string
  readonly topology: Topology
  readonly log: Log
  readonly clock: Clock
  /** Topics that are made before anything runs; those of others must exist. */
  readonly topics: readonly TopicSpec[]
  readonly commitIntervalMs?: number
  readonly maxBufferedRecords?: number
  readonly maxBufferedBytes?: number
  readonly maxCachedEntries?: number
  /** Told of each asynchronous node whose worker is open (a model loaded). */
  readonly onOpened?: (node: string) => void
  readonly failures?: FailurePolicy
  /** Of the process: without them a record that ends it is read again for good. */
  readonly flights?: Flights
  readonly onFailure?: (error: WaggleError) => void
}

/**
 * The life of one application: a topology running on a log.
 *
 *     CREATED ──start──► REBALANCING ──► RUNNING ──close──► PENDING_SHUTDOWN ──► NOT_RUNNING
 *                             │
 *                             └──(a topic is missing, a worker cannot open)──► PENDING_ERROR ──► ERROR
 */
export class Application {
  readonly #options: ApplicationOptions
  readonly #plan: TaskPlan
  readonly #subtopologies: readonly Subtopology[]
  readonly #partitions = new Map<string, number>()
  readonly #listeners = new Set<(to: StreamsState, from: StreamsState) => void>()
  #state: StreamsState = 'CREATED'
  #workers: OpenWorkers | null = null
  #thread: StreamThread | null = null

  constructor(options: ApplicationOptions) {
    this.#options = options
    this.#subtopologies = options.topology.subtopologies()
    this.#plan = planTasks(options.applicationId, options.topology, { maxCachedEntries: options.maxCachedEntries ?? 100_000 })
  }

  get state(): StreamsState {
    return this.#state
  }

  /** Returns how to stop listening. */
  onStateChange(listener: (to: StreamsState, from: StreamsState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Settles when RUNNING. */
  async start(): Promise<void> {
    this.#enter('REBALANCING')
    try {
      await this.#prepareTopics()
      this.#workers = await OpenWorkers.open(this.#options.topology, this.#options.onOpened)
      this.#thread = new StreamThread({
        plan: this.#plan,
        log: this.#options.log,
        clock: this.#options.clock,
        workers: this.#workers,
        partitionsOf: (topic) => this.#partitionsOf(topic),
        flights: this.#options.flights ?? null,
        failures: this.#options.failures ?? failAlways,
        commitIntervalMs: this.#options.commitIntervalMs ?? 100,
        maxBufferedRecords: this.#options.maxBufferedRecords ?? 4096,
        maxBufferedBytes: this.#options.maxBufferedBytes ?? 32 * 1024 * 1024,
        onFailure: this.#options.onFailure ?? (() => {}),
      })
      await this.#thread.start()
    } catch (error) {
      this.#enter('PENDING_ERROR')
      await this.#workers?.close()
      this.#enter('ERROR')
      throw error
    }
    this.#enter('RUNNING')
  }

  /**
   * Finishes what is in hand, for a moment, and commits what is done; past `timeoutMs` what is not committed is left to be done
   * again: WAGGLE_CLOSE_TIMEOUT.
   */
  async close(options: { readonly timeoutMs: number }): Promise<void> {
    if (this.#state === 'NOT_RUNNING' || this.#state === 'ERROR') return
    this.#enter('PENDING_SHUTDOWN')
    const stopped = (async () => {
      await this.#finish(Math.min(longestFinishMs, options.timeoutMs / 2))
      await this.#thread?.stop()
      await this.#workers?.close()
    })()
    let cancel = () => {}
    const late = new Promise<never>((_, reject) => {
      cancel = this.#options.clock.after(options.timeoutMs, () =>
        reject(
          new WaggleError('WAGGLE_CLOSE_TIMEOUT', {
            message: `${this.#options.applicationId} did not stop within ${options.timeoutMs} ms`,
            next: 'What was not committed is done again at the next start.',
          }),
        ),
      )
    })
    try {
      await Promise.race([stopped, late])
    } finally {
      cancel()
      this.#enter('NOT_RUNNING')
    }
  }

  /** What is not finished by then (a database that is away) is done again at the next start. */
  async #finish(withinMs: number): Promise<void> {
    const { clock } = this.#options
    const end = clock.elapsedMs() + withinMs
    while (this.recordsInHand > 0 && clock.elapsedMs() < end) {
      await new Promise<void>((resolve) => {
        clock.after(finishCheckMs, resolve)
      })
    }
  }

  /** Records that wait in buffers and asynchronous nodes, over all tasks. */
  get recordsInHand(): number {
    return (this.#thread?.tasks ?? []).reduce((sum, task) => sum + task.bufferedRecords + task.inFlight, 0)
  }

  /** What the last commit has under this key of a key-value store; null where it has nothing. */
  committed<K, V>(store: string, key: K): V | null {
    const builder = this.#options.topology.stores.get(store)
    const subtopology = this.#subtopologies.find(({ stores }) => stores.some(({ name }) => name === store))
    const disk = this.#options.log.state
    if (builder === undefined || subtopology === undefined || disk === null) {
      throw new WaggleError('WAGGLE_STORE_UNKNOWN', { message: `There is no store ${store} to ask`, next: 'Name a store of this topology.' })
    }
    const topic = changelogTopic(this.#options.applicationId, store)
    const bytes = (builder.key as unknown as { serialize(topic: string, key: K): Uint8Array }).serialize(topic, key)
    const partitions = Math.max(...subtopology.sources.map((source) => this.#partitionsOf(source)))
    const found = disk.open(`${this.#options.applicationId}/${partitionForKey(bytes, partitions)}`, store).get(bytes)
    return found === null ? null : (builder.value as unknown as { deserialize(topic: string, bytes: Uint8Array): V }).deserialize(topic, found)
  }

  async #prepareTopics(): Promise<void> {
    const { log, topics } = this.#options
    await log.createTopics(topics)
    const deadLetters = this.#options.failures?.deadLetters
    if (deadLetters) await this.#know(deadLetters.topic)
    for (const subtopology of this.#subtopologies) {
      for (const topic of [...subtopology.sources, ...subtopology.sinks]) await this.#know(topic)
      refuseUnevenSources(subtopology, (topic) => this.#partitionsOf(topic))
    }
  }

  async #know(topic: string): Promise<void> {
    if (this.#partitions.has(topic)) return
    const info = await this.#options.log.topic(topic)
    if (info === null) {
      throw new WaggleError('WAGGLE_MISSING_TOPIC', { message: `The topic ${topic} does not exist`, next: 'Create it, or correct its name.' })
    }
    this.#partitions.set(topic, info.partitions)
  }

  #partitionsOf(topic: string): number {
    const partitions = this.#partitions.get(topic)
    if (partitions === undefined) {
      throw new WaggleError('WAGGLE_MISSING_TOPIC', { message: `The topic ${topic} does not exist`, next: 'Create it, or correct its name.' })
    }
    return partitions
  }

  #enter(state: StreamsState): void {
    const from = this.#state
    this.#state = state
    for (const listener of this.#listeners) listener(state, from)
  }
}

const longestFinishMs = 5000
const finishCheckMs = 10

/** Stores are kept by partition number: a key must have the same number in every topic that meets one. */
function refuseUnevenSources(subtopology: Subtopology, partitionsOf: (topic: string) => number): void {
  if (subtopology.stores.length === 0) return
  const counts = new Set(subtopology.sources.map(partitionsOf))
  if (counts.size <= 1) return
  throw new WaggleError('WAGGLE_NOT_COPARTITIONED', {
    message: `Topics that meet in one store have different partitions: ${subtopology.sources.map((topic) => `${topic} has ${partitionsOf(topic)}`).join(', ')}`,
    next: 'Give them the same number of partitions, or repartition one of the streams.',
  })
}
