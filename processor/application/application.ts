import { hasAll } from '../../topology/capabilities.ts'
import type { GraphNode } from '../../topology/graph.ts'
import { openSerdes } from '../../topology/open-serdes.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Metric } from '../metrics/meters.ts'
import { TaskStates } from '../state/task-states.ts'
import { OpenWorkers } from '../thread/open-workers.ts'
import { type SpreadOptions, statefulTasks } from '../thread/thread-assignor.ts'
import { ApplicationStores } from './application-stores.ts'
import type { ApplicationOptions, CloseOptions } from './options.ts'
import { PlannedLog } from './planned-log.ts'
import { prepareStoreFormats } from './store-formats.ts'
import { ApplicationThreads } from './threads.ts'
import { ApplicationTopics, type ApplicationTopicsOptions } from './topics.ts'

/** The states of an application, in Kafka Streams' order. The metric `client-state` reports a state's index in this list. */
export const streamsStates = ['CREATED', 'REBALANCING', 'RUNNING', 'PENDING_SHUTDOWN', 'NOT_RUNNING', 'PENDING_ERROR', 'ERROR'] as const
export type StreamsState = (typeof streamsStates)[number]

/**
 * The life of one application: a topology running on a log.
 *
 *     CREATED ──start──► REBALANCING ──► RUNNING ──close──► PENDING_SHUTDOWN ──► NOT_RUNNING
 *                             │
 *                             └──(a topic is missing, a worker cannot open, a failure stops it)──► PENDING_ERROR ──► ERROR
 */
export class Application {
  readonly threads: ApplicationThreads
  readonly stores: ApplicationStores
  readonly #options: ApplicationOptions
  readonly #subtopologies: readonly Subtopology[]
  readonly #topicsOptions: ApplicationTopicsOptions
  readonly #topics: ApplicationTopics
  readonly #listeners = new Set<(to: StreamsState, from: StreamsState) => void>()
  #state: StreamsState = 'CREATED'
  #hasStarted = false
  #workers: OpenWorkers | null = null
  readonly #states: TaskStates | null
  readonly #spread: SpreadOptions
  /** Wakes `start` while it waits for the threads. */
  #onProgress: (() => void) | null = null

  constructor(options: ApplicationOptions) {
    this.#options = options
    const { applicationId, log, clock, states, isElsewhere } = options
    const name = isElsewhere?.threadName ?? applicationId
    const onFailure = (error: unknown) => options.onFailure?.(WaggleError.from('WAGGLE_COPY_FAILED', error, { next: 'Nothing: it is tried again.' }))
    this.#states =
      log.state === null && states !== undefined
        ? new TaskStates({
            applicationId,
            name,
            directory: states,
            log,
            clock,
            onFailure,
            onNotice: (notice) => options.onNotice?.(notice),
            listeners: { restore: [], standby: [], ...options.listeners },
          })
        : null
    this.#spread = { host: null, capabilities: {}, settings: {}, instanceId: null, ...options.spread }
    this.#subtopologies = options.topology.subtopologies()
    const deadLetterTopic = options.failures?.deadLetters?.topic ?? null
    this.#topicsOptions = { ...options, subtopologies: this.#subtopologies, deadLetterTopic }
    this.#topics = new ApplicationTopics(this.#topicsOptions)
    this.threads = new ApplicationThreads({
      application: options,
      subtopologies: this.#subtopologies,
      topics: this.#topics,
      states: this.#states,
      spread: this.#spread,
      onTasksChanged: () => this.#settling(),
      onStopped: () => void this.#fail(),
    })
    this.stores = new ApplicationStores({
      ...options,
      subtopologies: this.#subtopologies,
      states: this.#states,
      partitionsOf: (topic) => this.#topics.partitionsOf(topic),
      threads: this.threads,
      state: () => this.#state,
    })
  }

  /** The estimate of the bytes of the database with the stores (`StateDisk.liveBytes`), and whether it contains the log too; null if unknown. */
  get stateBytes(): { readonly bytes: number; readonly hasLog: boolean } | null {
    const { log, states } = this.#options
    const bytes = states?.liveBytes ?? log.state?.liveBytes
    return bytes === undefined ? null : { bytes, hasLog: states === undefined }
  }

  get state(): StreamsState {
    return this.#state
  }

  /** Adds a listener. Returns a function that removes the listener. */
  onStateChange(listener: (to: StreamsState, from: StreamsState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Starts the application. Settles when the application is RUNNING. `beforeReading` is called when the topics exist and the workers are open.
   * Nothing is read or written before the promise of `beforeReading` settles. So an application can take over from another application with the same
   * id.
   */
  async start(beforeReading: () => Promise<void> = async () => {}): Promise<void> {
    this.#enter('REBALANCING')
    try {
      await this.#topics.prepare()
      if (this.#options.isElsewhere === undefined) await this.#prepareStores()
      await openSerdes(this.#options.topology, this.#options.applicationId)
      const { threadElsewhere } = this.#options
      this.#workers = threadElsewhere === undefined ? await OpenWorkers.open(this.nodesHere, this.#options.onOpened) : OpenWorkers.none()
      this.threads.use(this.#workers)
      await beforeReading()
      await this.#states?.start(statefulTasks(this.#subtopologies, (topic) => this.#topics.partitionsOf(topic)))
      await this.threads.startGlobals(() => this.#nextStepOfStart())
      this.#refuseClosed()
      const count = this.#options.threads ?? 1
      if (threadElsewhere !== undefined) await Promise.all(Array.from({ length: count }, () => this.threads.add()))
      else {
        for (let left = count; left > 0; left--) {
          this.#refuseClosed()
          await this.threads.add()
        }
      }
      await this.#untilRunning()
    } catch (error) {
      // A `close` that was called during this start has set the state. Everything that this start has opened is closed here.
      const isClosed = this.#state === 'PENDING_SHUTDOWN' || this.#state === 'NOT_RUNNING'
      if (!isClosed && this.#state !== 'PENDING_ERROR') this.#enter('PENDING_ERROR')
      await this.#stopThreads().catch(() => {})
      await this.#workers?.close()
      if (!isClosed) this.#enter('ERROR')
      throw error
    }
    this.#hasStarted = true
    this.#enter('RUNNING')
  }

  /** Checks the topics as `start` does, and changes nothing. Throws WAGGLE_TOPIC_MISMATCH, WAGGLE_MISSING_TOPIC and WAGGLE_NOT_COPARTITIONED. */
  checkTopics(): Promise<void> {
    return new ApplicationTopics({ ...this.#topicsOptions, log: new PlannedLog(this.#options.log) }).prepare()
  }

  #prepareStores(): Promise<void> {
    const { applicationId, log } = this.#options
    return prepareStoreFormats({ applicationId, log, subtopologies: this.#subtopologies, partitionsOf: (topic) => this.#topics.partitionsOf(topic) })
  }

  /** The nodes of the sub-topologies that may run in this process. Workers of other nodes, such as a model that needs a GPU, are not opened. */
  get nodesHere(): readonly GraphNode[] {
    const { capabilities } = this.#spread
    return this.#subtopologies.filter(({ needs }) => this.#states === null || hasAll(capabilities, needs)).flatMap(({ nodes }) => nodes)
  }

  /** Waits until every thread knows its tasks and has restored their state. Needed on a log that spreads tasks over processes. */
  #untilRunning(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onProgress = () => {
        if (this.#state !== 'REBALANCING') reject(this.threads.failure ?? stopped(this.#options.applicationId))
        else if (this.threads.hasItsTasks) resolve()
      }
      this.#onProgress()
    })
  }

  #settling(): void {
    if (!this.#hasStarted) this.#onProgress?.()
    else if (this.#state === 'RUNNING' && !this.threads.hasItsTasks) this.#enter('REBALANCING')
    else if (this.#state === 'REBALANCING' && this.threads.hasItsTasks) this.#enter('RUNNING')
  }

  /** The number of records read from changelogs since the start. */
  get restoredRecords(): number {
    return this.#states?.restoredRecords ?? 0
  }

  /** The tasks that run in other processes, and whose state this process keeps up to date. */
  get standbys(): readonly string[] {
    return this.#states?.standbys ?? []
  }

  /** The number of changelog records to read before all tasks of this process can begin. */
  get recordsToRestore(): number {
    return this.#states?.remainingRecords ?? 0
  }

  /** Metrics of all threads, their tasks, the global stores, and restores. */
  metrics(now: number): readonly Metric[] {
    return [...this.threads.metrics(now), ...(this.#states?.metrics(now) ?? [])]
  }

  async #nextStepOfStart(): Promise<void> {
    await this.#shortPause()
    this.#refuseClosed()
  }

  #refuseClosed(): void {
    if (this.#state !== 'REBALANCING') throw this.threads.failure ?? stopped(this.#options.applicationId)
  }

  #shortPause(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.after(finishCheckMs, resolve)
    })
  }

  async #stopThreads(close?: CloseOptions): Promise<void> {
    try {
      await this.threads.stop(close)
    } finally {
      await this.#states?.stop()
    }
  }

  /** Ends the application after a failure that stopped a thread for good. */
  async #fail(): Promise<void> {
    if (this.#state !== 'RUNNING' && this.#state !== 'REBALANCING') return
    this.#enter('PENDING_ERROR')
    if (!this.#hasStarted) {
      // Wakes `start`, which cleans up and throws the failure.
      this.#onProgress?.()
      return
    }
    await this.#stopThreads()
    await this.#workers?.close()
    this.#enter('ERROR')
  }

  /**
   * Closes the application. Waits a short time for records in progress, then commits finished work. Throws WAGGLE_CLOSE_TIMEOUT after `timeoutMs`.
   * Uncommitted work is done again after the next start.
   */
  async close(options: CloseOptions): Promise<void> {
    if (this.#state === 'NOT_RUNNING' || this.#state === 'ERROR') return
    this.#enter('PENDING_SHUTDOWN')
    this.#onProgress?.()
    const stopping = (async () => {
      const isFinished = await (options.waitsForCalls ? this.#finishCalls(options.timeoutMs) : this.#finishInHand(options.timeoutMs / 2))
      await this.#stopThreads(options)
      await this.#workers?.close()
      if (!isFinished) throw this.#tooLate(options)
    })()
    let cancel = () => {}
    const late = new Promise<never>((_, reject) => {
      const withinMs = options.timeoutMs + (options.waitsForCalls ? longestStopMs : 0)
      cancel = this.#options.clock.after(withinMs, () => reject(this.#tooLate(options)))
    })
    try {
      await Promise.race([stopping, late])
    } finally {
      cancel()
      this.#enter('NOT_RUNNING')
    }
  }

  #tooLate({ timeoutMs }: CloseOptions): WaggleError {
    return new WaggleError('WAGGLE_CLOSE_TIMEOUT', {
      message: `${this.#options.applicationId} did not finish its work within ${timeoutMs} ms`,
      next: 'Nothing: uncommitted work is done again at the next start.',
    })
  }

  /** Pauses the threads, and waits for the calls in flight. */
  #finishCalls(withinMs: number): Promise<boolean> {
    this.threads.pause()
    return this.#until(() => this.threads.tasks.every(({ inFlight }) => inFlight === 0), withinMs)
  }

  /**
   * Waits for the records in progress. The time is limited, because a database may not answer. Records that are not done in this time are processed
   * again after the next start.
   */
  async #finishInHand(withinMs: number): Promise<true> {
    await this.#until(() => this.threads.recordsInHand === 0, Math.min(longestFinishMs, withinMs))
    return true
  }

  async #until(isDone: () => boolean, withinMs: number): Promise<boolean> {
    const { clock } = this.#options
    const end = clock.elapsedMs() + withinMs
    while (!isDone()) {
      if (clock.elapsedMs() >= end) return false
      await this.#shortPause()
    }
    return true
  }

  #enter(state: StreamsState): void {
    const from = this.#state
    this.#state = state
    for (const listener of this.#listeners) listener(state, from)
  }
}

function stopped(applicationId: string): WaggleError {
  return new WaggleError('WAGGLE_NOT_RUNNING', {
    message: `The application ${applicationId} was closed while it started`,
    next: 'Make a new application, and start that.',
  })
}

const longestFinishMs = 5000
/** The longest time that `close` waits for threads to stop after its own time limit has passed, in ms. */
const longestStopMs = 2000
const finishCheckMs = 10
