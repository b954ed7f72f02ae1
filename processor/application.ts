import { hasAll } from '../topology/capabilities.ts'
import type { GraphNode, Topology } from '../topology/graph.ts'
import { openSerdes } from '../topology/serde-uses.ts'
import type { Subtopology } from '../topology/subtopology.ts'
import { WaggleError } from '../topology/waggle-error.ts'
import { ApplicationStores } from './application-stores.ts'
import { ApplicationTopics } from './application-topics.ts'
import type { Flights } from './async/flights.ts'
import { readGlobals, startGlobals } from './global-start.ts'
import type { Metric } from './metrics/meters.ts'
import type { Clock, Log, StateDirectory, TopicSpec } from './ports.ts'
import { GlobalStores } from './state/global-stores.ts'
import type { StateListeners } from './state/state-listening.ts'
import { TaskStates } from './state/task-states.ts'
import { type FailurePolicy, failAlways, isOfAnother } from './task/failures.ts'
import type { Task } from './task/task.ts'
import { OpenWorkers } from './thread/open-workers.ts'
import { StreamThread, type ThreadState } from './thread/stream-thread.ts'
import { planGlobals, planTasks, type TaskPlan } from './thread/task-plan.ts'
import { type SpreadOptions, statefulTasks } from './thread/thread-assignor.ts'
import type { ThreadElsewhere, ThreadElsewhereOptions } from './thread/thread-elsewhere.ts'

/** In Kafka Streams' order, which its metrics count by. */
export const streamsStates = ['CREATED', 'REBALANCING', 'RUNNING', 'PENDING_SHUTDOWN', 'NOT_RUNNING', 'PENDING_ERROR', 'ERROR'] as const
export type StreamsState = (typeof streamsStates)[number]

export interface ApplicationOptions {
  readonly applicationId: string
  readonly topology: Topology
  readonly log: Log
  readonly clock: Clock
  /** Topics that are made before anything runs; those of others must exist. */
  readonly topics: readonly TopicSpec[]
  /** Topics that a record names itself, for a reply: within how many partitions it says where. Null: it is one of these, and is not there; undefined: it is none. */
  readonly namedPartitions?: (topic: string) => number | null | undefined
  /** Topics of others that do not exist are made with as many partitions, on a log that nobody else makes topics on. */
  readonly missingTopicPartitions?: number
  /** Where the state of tasks is kept, on a log that keeps none itself. */
  readonly states?: StateDirectory
  /** How tasks are spread over the processes of the application, on such a log. */
  readonly spread?: Partial<SpreadOptions>
  readonly threads?: number
  readonly commitIntervalMs?: number
  /** Where what is written is read only once it is committed: at low load that is at once, and not when the interval is over. */
  readonly commitsWhenIdle?: boolean
  /** How often, at most, closed windows are looked for; 0: with each record. */
  readonly emitIntervalMs?: number
  /** Shared by the threads that it starts with; 0, the default: each update of a table goes on at once. */
  readonly cacheMaxBytes?: number
  /** See KIP-695: 0 by default. */
  readonly maxTaskIdleMs?: number
  /** How often, at most, what is done of repartition topics is deleted; 30 s. */
  readonly repartitionPurgeIntervalMs?: number
  readonly maxBufferedRecords?: number
  readonly maxBufferedBytes?: number
  readonly maxCachedEntries?: number
  /** Told of each asynchronous node whose worker is open (a model loaded). */
  readonly onOpened?: (node: string) => void
  readonly failures?: FailurePolicy
  /** Of the process: without them a record that ends it is read again for good. */
  readonly flights?: Flights
  readonly onFailure?: (error: WaggleError) => void
  /** Something that is no failure, and that whoever runs it should know: a store that had to be read anew. */
  readonly onNotice?: (notice: string) => void
  /** Told of stores that are read from changelogs. */
  readonly listeners?: Partial<StateListeners>
  /** Makes its threads where they are to run in other JavaScript threads. Then this one keeps the global stores, and nothing else. */
  readonly threadElsewhere?: (options: ThreadElsewhereOptions) => ThreadElsewhere
  /** This is one of those threads: it has this name, and on a log that keeps state reads global stores as the last commit of who keeps them left them. */
  readonly isElsewhere?: { readonly threadName: string }
  /** Of a failure that was rolled back: whether to try again (the usual), or to stop for good. */
  readonly decide?: (error: WaggleError) => 'goOn' | 'stop'
}

export interface CloseOptions {
  readonly timeoutMs: number
  /** Begins nothing new, and waits for the calls that are in flight for as long as there is: what is left then is WAGGLE_CLOSE_TIMEOUT. */
  readonly waitsForCalls?: boolean
}

/**
 * The life of one application: a topology running on a log.
 *
 *     CREATED ──start──► REBALANCING ──► RUNNING ──close──► PENDING_SHUTDOWN ──► NOT_RUNNING
 *                             │
 *                             └──(a topic is missing, a worker cannot open, a failure stops it)──► PENDING_ERROR ──► ERROR
 */
export class Application {
  readonly stores: ApplicationStores
  readonly #options: ApplicationOptions
  readonly #plan: TaskPlan
  readonly #subtopologies: readonly Subtopology[]
  readonly #topics: ApplicationTopics
  readonly #listeners = new Set<(to: StreamsState, from: StreamsState) => void>()
  #state: StreamsState = 'CREATED'
  #hasStarted = false
  /** What stopped a thread for good. */
  #failure: WaggleError | null = null
  #workers: OpenWorkers | null = null
  #threads: (StreamThread | ThreadElsewhere)[] = []
  #globalThread: StreamThread | null = null
  readonly #globals = new GlobalStores()
  #threadsStarted = 0
  #paused = false
  #failedThreads = 0
  readonly #states: TaskStates | null
  readonly #spread: SpreadOptions
  /** What waits for all threads to be settled at the start. */
  #onSettled: (() => void) | null = null

  constructor(options: ApplicationOptions) {
    this.#options = options
    const { applicationId, log, clock, states, isElsewhere } = options
    const name = isElsewhere?.threadName ?? applicationId
    const onFailure = (error: unknown) => options.onFailure?.(WaggleError.from('WAGGLE_COPY_FAILED', error, { next: 'It is tried again.' }))
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
    this.#topics = new ApplicationTopics({ ...options, subtopologies: this.#subtopologies, deadLetterTopic })
    this.stores = new ApplicationStores({
      ...options,
      subtopologies: this.#subtopologies,
      states: this.#states,
      partitionsOf: (topic) => this.#topics.partitionsOf(topic),
      threads: () => ({ here: this.#threadsHere, elsewhere: this.#threadsElsewhere }),
      state: () => this.#state,
    })
    this.#plan = planTasks(options.applicationId, options.topology, this.#planOptions)
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
      await this.#topics.prepare()
      await openSerdes(this.#options.topology, this.#options.applicationId)
      const { threadElsewhere, isElsewhere } = this.#options
      this.#workers = threadElsewhere === undefined ? await OpenWorkers.open(this.nodesHere, this.#options.onOpened) : OpenWorkers.none()
      await this.#states?.start(statefulTasks(this.#subtopologies, (topic) => this.#topics.partitionsOf(topic)))
      const globals = planGlobals(this.#options.applicationId, this.#options.topology, this.#planOptions)
      const keepsState = this.#options.log.state !== null
      if (isElsewhere !== undefined && keepsState) readGlobals({ ...this.#options, subtopologies: this.#subtopologies, globals: this.#globals })
      // Where each thread elsewhere has its own state, it has that of global stores too.
      else if (globals !== null && (keepsState || threadElsewhere === undefined)) await this.#startGlobals(globals)
      this.#refuseClosed()
      const count = this.#options.threads ?? 1
      if (threadElsewhere !== undefined) await Promise.all(Array.from({ length: count }, () => this.addThread()))
      else {
        for (let left = count; left > 0; left--) {
          this.#refuseClosed()
          await this.addThread()
        }
      }
      await this.#settled()
    } catch (error) {
      // Whoever closed it meanwhile says what state it is in; what was made since is there for nobody.
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

  /** Of the sub-topologies that may run here: what the others work with (a model that wants a GPU) is not opened where it cannot be. */
  get nodesHere(): readonly GraphNode[] {
    const { capabilities } = this.#spread
    return this.#subtopologies.filter(({ needs }) => this.#states === null || hasAll(capabilities, needs)).flatMap(({ nodes }) => nodes)
  }

  /** On a log that spreads tasks over processes: every thread knows what it runs, and has the state of it. */
  #settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onSettled = () => {
        if (this.#state !== 'REBALANCING') reject(this.#failure ?? stopped())
        else if (this.#isSettled) resolve()
      }
      this.#onSettled()
    })
  }

  get #isSettled(): boolean {
    return this.#threads.every((thread) => !(thread instanceof StreamThread) || thread.isSettled)
  }

  #settling(): void {
    if (!this.#hasStarted) this.#onSettled?.()
    else if (this.#state === 'RUNNING' && !this.#isSettled) this.#enter('REBALANCING')
    else if (this.#state === 'REBALANCING' && this.#isSettled) this.#enter('RUNNING')
  }

  /** One more loop over this application's tasks, which are shared out anew; its name. */
  async addThread(): Promise<string> {
    const name = this.#options.isElsewhere?.threadName ?? `${this.#options.applicationId}-StreamThread-${++this.#threadsStarted}`
    const thread = this.#options.threadElsewhere?.({ name, ...this.#told }) ?? this.#newThread(this.#plan, name)
    this.#threads.push(thread)
    if (this.#paused) thread.pause()
    try {
      await thread.start()
    } catch (error) {
      this.#threads = this.#threads.filter((other) => other !== thread)
      throw error
    }
    return name
  }

  /** The name of the thread that was stopped; null where there was none. */
  async removeThread(): Promise<string | null> {
    const thread = this.#threads.pop()
    await thread?.stop()
    return thread?.name ?? null
  }

  /** Read from changelogs since it started. */
  get restoredRecords(): number {
    return this.#states?.restoredRecords ?? 0
  }

  /** Tasks whose state is kept up to date here, for others. */
  get standbys(): readonly string[] {
    return this.#states?.standbys ?? []
  }

  /** In changelogs, still to be read before all tasks of this process can begin. */
  get recordsToRestore(): number {
    return this.#states?.remainingRecords ?? 0
  }

  get threads(): readonly { readonly name: string; readonly state: ThreadState }[] {
    return this.#threads
  }

  /** Failures since it started that ended a thread, or sent it back to its last commit. */
  get failedThreads(): number {
    return this.#failedThreads
  }

  /** Of all threads, that of the global stores among them, and of their tasks. */
  metrics(now: number): readonly Metric[] {
    const here = this.#threadsHere.flatMap(({ meters, tasks, lags }) => [
      ...meters.read(now),
      ...lags,
      ...tasks.flatMap((task) => task.meters.read(now)),
    ])
    return [...this.#threadsElsewhere.flatMap(({ metrics }) => metrics), ...here, ...(this.#states?.metrics(now) ?? [])]
  }

  /** Nothing new is processed until `resume`; what was is committed (KIP-834). */
  pause(): void {
    this.#paused = true
    for (const thread of this.#threads) thread.pause()
  }

  resume(): void {
    this.#paused = false
    for (const thread of this.#threads) thread.resume()
  }

  /** The tasks of this JavaScript thread, those that keep global stores among them. */
  get tasks(): readonly Task[] {
    return this.#threadsHere.flatMap((thread) => [...thread.tasks])
  }

  get #threadsHere(): readonly StreamThread[] {
    return [...this.#threads, this.#globalThread].filter((thread) => thread instanceof StreamThread)
  }

  get #threadsElsewhere(): readonly ThreadElsewhere[] {
    return this.#threads.filter((thread): thread is ThreadElsewhere => !(thread instanceof StreamThread))
  }

  get #planOptions() {
    return { maxCachedEntries: this.#options.maxCachedEntries ?? 100_000, globals: this.#globals }
  }

  #newThread(plan: TaskPlan, name: string, handlers: Partial<FailurePolicy> = {}): StreamThread {
    const { log, clock, flights, failures, commitIntervalMs, maxBufferedRecords, maxBufferedBytes } = this.#options
    if (this.#workers === null) throw new WaggleError('WAGGLE_NOT_RUNNING', { message: 'Nothing runs yet', next: 'Wait for start.' })
    return new StreamThread({
      name,
      plan,
      log,
      clock,
      workers: this.#workers,
      partitionsOf: (topic) => this.#topics.partitionsOf(topic),
      flights: flights ?? null,
      failures: { ...(failures ?? failAlways), ...handlers },
      commitIntervalMs: commitIntervalMs ?? 100,
      commitsWhenIdle: this.#options.commitsWhenIdle ?? false,
      emitIntervalMs: this.#options.emitIntervalMs ?? 1000,
      states: this.#states,
      spread: this.#states === null ? null : this.#spread,
      onSettling: () => this.#settling(),
      cacheMaxBytes: Math.floor((this.#options.cacheMaxBytes ?? 0) / (this.#options.threads ?? 1)),
      maxTaskIdleMs: this.#options.maxTaskIdleMs ?? 0,
      purgeIntervalMs: this.#options.repartitionPurgeIntervalMs ?? 30_000,
      onNotice: (notice) => this.#options.onNotice?.(notice),
      maxBufferedRecords: maxBufferedRecords ?? 4096,
      maxBufferedBytes: maxBufferedBytes ?? 32 * 1024 * 1024,
      ...this.#told,
    })
  }

  /** What threads tell and ask of their failures, wherever they run. */
  get #told() {
    const { onFailure, decide } = this.#options
    return {
      onFailure: (error: WaggleError) => {
        // It may be there by now.
        if (error.code === 'WAGGLE_MISSING_TOPIC') void this.#topics.knowAll().catch(() => {})
        if (error.code === 'WAGGLE_WORKER_DIED') this.#failedThreads++
        onFailure?.(error)
      },
      decide: (error: WaggleError) => {
        // What another did is no failure of this thread: it is as well as before. One that died is counted.
        if (!isOfAnother(error) && error.code !== 'WAGGLE_WORKER_DIED') this.#failedThreads++
        const decision = decide?.(error) ?? 'goOn'
        if (decision === 'stop') this.#failure ??= error
        return decision
      },
      onStopped: () => void this.#fail(),
    }
  }

  async #startGlobals(plan: TaskPlan): Promise<void> {
    // As in Kafka Streams: what everybody has to have whole is not let pass.
    const thread = this.#newThread(plan, `${this.#options.applicationId}-GlobalStreamThread`, { processing: () => 'fail' })
    this.#globalThread = thread
    await startGlobals({
      log: this.#options.log,
      thread,
      plan,
      isAlone: this.#states !== null,
      isReadElsewhere: this.#options.threadElsewhere !== undefined,
      moment: () => this.#momentOfStart(),
    })
  }

  async #momentOfStart(): Promise<void> {
    await this.#moment()
    this.#refuseClosed()
  }

  #refuseClosed(): void {
    if (this.#state !== 'REBALANCING') throw this.#failure ?? stopped()
  }

  #moment(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.after(finishCheckMs, resolve)
    })
  }

  async #stopThreads(close?: CloseOptions): Promise<void> {
    const stopping = await Promise.allSettled(this.#threads.map((thread) => (thread instanceof StreamThread ? thread.stop() : thread.stop(close))))
    await this.#globalThread?.stop()
    await this.#states?.stop()
    const failed = stopping.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  /** A failure that is not to be tried again has stopped a thread. */
  async #fail(): Promise<void> {
    if (this.#state !== 'RUNNING' && this.#state !== 'REBALANCING') return
    this.#enter('PENDING_ERROR')
    if (!this.#hasStarted) {
      // `start` cleans up, and says why.
      this.#onSettled?.()
      return
    }
    await this.#stopThreads()
    await this.#workers?.close()
    this.#enter('ERROR')
  }

  /**
   * Finishes what is in hand, for a moment, and commits what is done; past `timeoutMs` what is not committed is left to be done
   * again: WAGGLE_CLOSE_TIMEOUT.
   */
  async close(options: CloseOptions): Promise<void> {
    if (this.#state === 'NOT_RUNNING' || this.#state === 'ERROR') return
    this.#enter('PENDING_SHUTDOWN')
    this.#onSettled?.()
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
      message: `${this.#options.applicationId} did not finish what it had begun within ${timeoutMs} ms`,
      next: 'What was not committed is done again at the next start.',
    })
  }

  /** Begins nothing new. */
  #finishCalls(withinMs: number): Promise<boolean> {
    this.pause()
    return this.#until(() => this.tasks.every(({ inFlight }) => inFlight === 0), withinMs)
  }

  /** What is not finished by then (a database that is away) is done again at the next start. */
  async #finishInHand(withinMs: number): Promise<true> {
    await this.#until(() => this.recordsInHand === 0, Math.min(longestFinishMs, withinMs))
    return true
  }

  async #until(isDone: () => boolean, withinMs: number): Promise<boolean> {
    const { clock } = this.#options
    const end = clock.elapsedMs() + withinMs
    while (!isDone()) {
      if (clock.elapsedMs() >= end) return false
      await this.#moment()
    }
    return true
  }

  /** Records that wait in buffers and asynchronous nodes, over all tasks. */
  get recordsInHand(): number {
    return this.tasks.reduce((sum, task) => sum + task.bufferedRecords + task.inFlight, 0)
  }

  #enter(state: StreamsState): void {
    const from = this.#state
    this.#state = state
    for (const listener of this.#listeners) listener(state, from)
  }
}

function stopped(): WaggleError {
  return new WaggleError('WAGGLE_NOT_RUNNING', { message: 'It was closed before it ran', next: 'Start another one.' })
}

const longestFinishMs = 5000
/** What was given up in time is let go in less. */
const longestStopMs = 2000
const finishCheckMs = 10
