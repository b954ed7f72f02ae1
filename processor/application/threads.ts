import type { Subtopology } from '../../topology/subtopology.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Metric } from '../metrics/meters.ts'
import { GlobalStores } from '../state/global-stores.ts'
import type { TaskStates } from '../state/task-states.ts'
import { type FailurePolicy, failAlways, isOfAnother } from '../task/failures.ts'
import type { Task } from '../task/task.ts'
import type { OpenWorkers } from '../thread/open-workers.ts'
import { StreamThread, type ThreadState } from '../thread/stream-thread.ts'
import { planGlobals, planTasks, type TaskPlan } from '../thread/task-plan.ts'
import type { SpreadOptions } from '../thread/thread-assignor.ts'
import type { ThreadElsewhere } from '../thread/thread-elsewhere.ts'
import { readGlobals, startGlobals } from './global-start.ts'
import type { ApplicationOptions, CloseOptions } from './options.ts'
import type { ApplicationTopics } from './topics.ts'

export interface ApplicationThreadsOptions {
  readonly application: ApplicationOptions
  readonly subtopologies: readonly Subtopology[]
  readonly topics: ApplicationTopics
  readonly states: TaskStates | null
  readonly spread: SpreadOptions
  /** Threads may be settled now, or not any more. */
  readonly onSettling: () => void
  /** A failure that is not to be tried again has stopped one. */
  readonly onStopped: () => void
}

/** The threads of one application, here and in other JavaScript threads, and that of its global stores. */
export class ApplicationThreads {
  readonly #parts: ApplicationThreadsOptions
  readonly #options: ApplicationOptions
  readonly #globals = new GlobalStores()
  readonly #plan: TaskPlan
  #workers: OpenWorkers | null = null
  #threads: (StreamThread | ThreadElsewhere)[] = []
  #global: StreamThread | null = null
  /** Of those that run, or are being stopped. */
  readonly #names = new Set<string>()
  #isPaused = false
  #failed = 0
  #failure: WaggleError | null = null

  constructor(options: ApplicationThreadsOptions) {
    this.#parts = options
    this.#options = options.application
    this.#plan = planTasks(this.#options.applicationId, this.#options.topology, this.#planOptions)
  }

  /** What asynchronous nodes call: none starts before. */
  use(workers: OpenWorkers): void {
    this.#workers = workers
  }

  /** Settles when global stores hold what their topics held when it was called; `moment` is a short while, and throws where the start is given up. */
  async startGlobals(moment: () => Promise<void>): Promise<void> {
    const { applicationId, topology, log, threadElsewhere, isElsewhere } = this.#options
    const { subtopologies, states } = this.#parts
    if (isElsewhere !== undefined && log.state !== null) {
      readGlobals({ applicationId, subtopologies, log, globals: this.#globals })
      return
    }
    const plan = planGlobals(applicationId, topology, this.#planOptions)
    // Where each thread elsewhere has its own state, it has that of global stores too.
    if (plan === null || (log.state === null && threadElsewhere !== undefined)) return
    // As in Kafka Streams: what everybody has to have whole is not let pass.
    const thread = this.#newThread(plan, `${applicationId}-GlobalStreamThread`, { processing: () => 'fail' })
    this.#global = thread
    await startGlobals({ log, thread, plan, isAlone: states !== null, isReadElsewhere: threadElsewhere !== undefined, moment })
  }

  /** One more loop over this application's tasks, which are shared out anew; its name. */
  async add(): Promise<string> {
    const name = this.#options.isElsewhere?.threadName ?? this.#freeName()
    this.#names.add(name)
    const thread = this.#options.threadElsewhere?.({ name, ...this.#told }) ?? this.#newThread(this.#plan, name)
    this.#threads.push(thread)
    if (this.#isPaused) thread.pause()
    try {
      await thread.start()
    } catch (error) {
      this.#threads = this.#threads.filter((other) => other !== thread)
      this.#names.delete(name)
      throw error
    }
    return name
  }

  /** The name of the thread that was stopped; null where there was none. */
  async remove(): Promise<string | null> {
    const thread = this.#threads.pop()
    if (thread === undefined) return null
    try {
      await thread.stop()
    } finally {
      this.#names.delete(thread.name)
    }
    return thread.name
  }

  /** One that comes after another has gone takes its number, and with it what that had on its disk. */
  #freeName(): string {
    for (let number = 1; ; number++) {
      const name = `${this.#options.applicationId}-StreamThread-${number}`
      if (!this.#names.has(name)) return name
    }
  }

  /** Nothing new is processed until `resume`; what was is committed (KIP-834). */
  pause(): void {
    this.#isPaused = true
    for (const thread of this.#threads) thread.pause()
  }

  resume(): void {
    this.#isPaused = false
    for (const thread of this.#threads) thread.resume()
  }

  async stop(close?: CloseOptions): Promise<void> {
    const stopping = await Promise.allSettled(this.#threads.map((thread) => (thread instanceof StreamThread ? thread.stop() : thread.stop(close))))
    await this.#global?.stop()
    const failed = stopping.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  /** Without that of the global stores. */
  get all(): readonly { readonly name: string; readonly state: ThreadState }[] {
    return this.#threads
  }

  get here(): readonly StreamThread[] {
    return [...this.#threads, this.#global].filter((thread) => thread instanceof StreamThread)
  }

  get elsewhere(): readonly ThreadElsewhere[] {
    return this.#threads.filter((thread): thread is ThreadElsewhere => !(thread instanceof StreamThread))
  }

  /** Those of this JavaScript thread, those that keep global stores among them. */
  get tasks(): readonly Task[] {
    return this.here.flatMap((thread) => [...thread.tasks])
  }

  /** The least offset of a partition that tasks of this JavaScript thread have committed; null where none of them reads it. */
  committedOffset(topic: string, partition: number): number | null {
    const readers = this.tasks.filter((task) => task.inputs.some((input) => input.topic === topic && input.partition === partition))
    return readers.length === 0 ? null : Math.max(0, Math.min(...readers.map((task) => task.committedOf(topic, partition))))
  }

  /** Records that wait in buffers and asynchronous nodes, over all tasks. */
  get recordsInHand(): number {
    return this.tasks.reduce((sum, task) => sum + task.bufferedRecords + task.inFlight, 0)
  }

  /** Each knows what it runs, and has the state of it. */
  get isSettled(): boolean {
    return this.#threads.every((thread) => !(thread instanceof StreamThread) || thread.isSettled)
  }

  /** The longest that one of them has had something to commit, or to go back for, without a commit that was taken. */
  get unsettledMs(): number {
    return Math.max(0, ...this.here.map((thread) => thread.unsettledMs))
  }

  /** Failures since it started that ended a thread, or sent it back to its last commit. */
  get failed(): number {
    return this.#failed
  }

  /** What stopped a thread for good. */
  get failure(): WaggleError | null {
    return this.#failure
  }

  metrics(now: number): readonly Metric[] {
    const here = this.here.flatMap(({ meters, tasks, lags, lostRecords }) => [
      ...meters.read(now),
      ...lags,
      ...lostRecords,
      ...tasks.flatMap((task) => task.meters.read(now)),
    ])
    return [...this.elsewhere.flatMap(({ metrics }) => metrics), ...here]
  }

  get #planOptions() {
    return { maxCachedEntries: this.#options.maxCachedEntries ?? 100_000, globals: this.#globals }
  }

  #newThread(plan: TaskPlan, name: string, handlers: Partial<FailurePolicy> = {}): StreamThread {
    const { topics, states, spread, onSettling } = this.#parts
    const { log, clock, flights, failures, commitIntervalMs, maxBufferedRecords, maxBufferedBytes } = this.#options
    if (this.#workers === null) throw new WaggleError('WAGGLE_NOT_RUNNING', { message: 'Nothing runs yet', next: 'Wait for start.' })
    return new StreamThread({
      name,
      plan,
      log,
      clock,
      workers: this.#workers,
      partitionsOf: (topic) => topics.partitionsOf(topic),
      flights: flights ?? null,
      failures: { ...(failures ?? failAlways), ...handlers },
      commitIntervalMs: commitIntervalMs ?? 100,
      commitsWhenIdle: this.#options.commitsWhenIdle ?? false,
      emitIntervalMs: this.#options.emitIntervalMs ?? 1000,
      states: states,
      spread: states === null ? null : spread,
      onSettling: onSettling,
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
        if (error.code === 'WAGGLE_MISSING_TOPIC') this.#parts.topics.knowAllSoon()
        if (error.code === 'WAGGLE_WORKER_DIED') this.#failed++
        onFailure?.(error)
      },
      decide: (error: WaggleError) => {
        // What another did is no failure of this thread: it is as well as before. One that died is counted.
        if (!isOfAnother(error) && error.code !== 'WAGGLE_WORKER_DIED') this.#failed++
        const decision = decide?.(error) ?? 'goOn'
        if (decision === 'stop') this.#failure ??= error
        return decision
      },
      onStopped: this.#parts.onStopped,
    }
  }
}
