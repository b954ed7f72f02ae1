import type { Subtopology } from '../../topology/subtopology.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Metric } from '../metrics/meters.ts'
import { GlobalStores } from '../state/global-stores.ts'
import type { TaskStates } from '../state/task-states.ts'
import { type FailurePolicy, failAlways, isOfAnother } from '../task/failures.ts'
import type { Task } from '../task/task.ts'
import type { OpenWorkers } from '../thread/open-workers.ts'
import { StreamThread, type ThreadState } from '../thread/stream-thread.ts'
import type { SpreadOptions } from '../thread/thread-assignor.ts'
import type { ThreadElsewhere } from '../thread/thread-elsewhere.ts'
import { globalProgram, type ThreadProgram, threadProgram } from '../thread/thread-program.ts'
import { readGlobals, startGlobals } from './global-start.ts'
import type { ApplicationOptions, CloseOptions } from './options.ts'
import type { ApplicationTopics } from './topics.ts'

export interface ApplicationThreadsOptions {
  readonly application: ApplicationOptions
  readonly subtopologies: readonly Subtopology[]
  readonly topics: ApplicationTopics
  readonly states: TaskStates | null
  readonly spread: SpreadOptions
  /** Called when `hasItsTasks` may have changed. */
  readonly onTasksChanged: () => void
  /** Called when a failure has stopped a thread for good. */
  readonly onStopped: () => void
}

/** The threads of one application, in this and in other JavaScript threads, and the thread of its global stores. */
export class ApplicationThreads {
  readonly #parts: ApplicationThreadsOptions
  readonly #options: ApplicationOptions
  readonly #globals = new GlobalStores()
  readonly #program: ThreadProgram
  #workers: OpenWorkers | null = null
  #threads: (StreamThread | ThreadElsewhere)[] = []
  #global: StreamThread | null = null
  /** Names of threads that run or are stopping. */
  readonly #names = new Set<string>()
  #isPaused = false
  #failed = 0
  #failure: WaggleError | null = null

  constructor(options: ApplicationThreadsOptions) {
    this.#parts = options
    this.#options = options.application
    this.#program = threadProgram(this.#options.applicationId, this.#options.topology, this.#programOptions)
  }

  /** Sets the workers that asynchronous nodes call. Must be called before a thread starts. */
  use(workers: OpenWorkers): void {
    this.#workers = workers
  }

  /**
   * Starts the global stores. Settles when the stores hold everything that their topics had at the call. `pause` waits a short time, and throws if
   * the start was given up.
   */
  async startGlobals(pause: () => Promise<void>): Promise<void> {
    const { applicationId, topology, log, threadElsewhere, isElsewhere } = this.#options
    const { subtopologies, states } = this.#parts
    if (isElsewhere !== undefined && log.state !== null) {
      readGlobals({ applicationId, subtopologies, log, globals: this.#globals })
      return
    }
    const program = globalProgram(applicationId, topology, this.#programOptions)
    // If other JavaScript threads keep state of their own, each keeps its own global stores.
    if (program === null || (log.state === null && threadElsewhere !== undefined)) return
    // A failed record of a global store is never skipped, as in Kafka Streams: every process needs the whole store.
    const thread = this.#newThread(program, `${applicationId}-GlobalStreamThread`, { processing: () => 'fail' })
    this.#global = thread
    await startGlobals({ log, thread, program, isAlone: states !== null, isReadElsewhere: threadElsewhere !== undefined, pause })
  }

  /** Adds a thread, and returns its name. Tasks are assigned again. */
  async add(): Promise<string> {
    const name = this.#options.isElsewhere?.threadName ?? this.#freeName()
    this.#names.add(name)
    const thread = this.#options.threadElsewhere?.({ name, ...this.#callbacks }) ?? this.#newThread(this.#program, name)
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

  /** Stops a thread and returns its name. Returns null if no thread is left. */
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

  /** Returns a free name. A new thread reuses the number of a thread that has ended, and with the number the ended thread's state on the disk. */
  #freeName(): string {
    for (let number = 1; ; number++) {
      const name = `${this.#options.applicationId}-StreamThread-${number}`
      if (!this.#names.has(name)) return name
    }
  }

  /** Stops new processing until `resume`. Finished work is committed (KIP-834). */
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

  /** All threads except the global stores' thread. */
  get all(): readonly { readonly name: string; readonly state: ThreadState }[] {
    return this.#threads
  }

  get here(): readonly StreamThread[] {
    return [...this.#threads, this.#global].filter((thread) => thread instanceof StreamThread)
  }

  get elsewhere(): readonly ThreadElsewhere[] {
    return this.#threads.filter((thread): thread is ThreadElsewhere => !(thread instanceof StreamThread))
  }

  /** Tasks of this JavaScript thread, including the tasks of the global stores. */
  get tasks(): readonly Task[] {
    return this.here.flatMap((thread) => [...thread.tasks])
  }

  /** The lowest offset of a partition that tasks of this JavaScript thread have committed; null if no task here reads the partition. */
  committedOffset(topic: string, partition: number): number | null {
    const readers = this.tasks.filter((task) => task.inputs.some((input) => input.topic === topic && input.partition === partition))
    return readers.length === 0 ? null : Math.max(0, Math.min(...readers.map((task) => task.committedOf(topic, partition))))
  }

  /** The number of records in buffers and asynchronous nodes of all tasks. */
  get recordsInHand(): number {
    return this.tasks.reduce((sum, task) => sum + task.bufferedRecords + task.inFlight, 0)
  }

  get hasItsTasks(): boolean {
    return this.#threads.every((thread) => !(thread instanceof StreamThread) || thread.hasItsTasks)
  }

  /** The longest time for which some work of a thread has waited for a successful commit, in ms. */
  get uncommittedMs(): number {
    let longest = 0
    for (const thread of this.#threads) if (thread instanceof StreamThread) longest = Math.max(longest, thread.uncommittedMs)
    return Math.max(longest, this.#global?.uncommittedMs ?? 0)
  }

  /** The number of failures since the start that ended a thread or rolled back its tasks. */
  get failed(): number {
    return this.#failed
  }

  /** The failure that stopped a thread for good; null if there is none. */
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

  get #programOptions() {
    return { maxCachedEntries: this.#options.maxCachedEntries ?? 100_000, globals: this.#globals }
  }

  #newThread(program: ThreadProgram, name: string, handlers: Partial<FailurePolicy> = {}): StreamThread {
    const { topics, states, spread, onTasksChanged } = this.#parts
    const { log, clock, killingRecordSearch, failures, commitIntervalMs, maxBufferedRecords, maxBufferedBytes } = this.#options
    if (this.#workers === null) throw new WaggleError('WAGGLE_NOT_RUNNING', { message: 'Nothing runs yet', next: 'Wait for start.' })
    return new StreamThread({
      name,
      program,
      log,
      clock,
      workers: this.#workers,
      partitionsOf: (topic) => topics.partitionsOf(topic),
      killingRecordSearch: killingRecordSearch ?? null,
      failures: { ...(failures ?? failAlways), ...handlers },
      commitIntervalMs: commitIntervalMs ?? 100,
      commitsWhenIdle: this.#options.commitsWhenIdle ?? false,
      emitIntervalMs: this.#options.emitIntervalMs ?? 1000,
      states: states,
      spread: states === null ? null : spread,
      onTasksChanged: onTasksChanged,
      cacheMaxBytes: Math.floor((this.#options.cacheMaxBytes ?? 0) / (this.#options.threads ?? 1)),
      maxTaskIdleMs: this.#options.maxTaskIdleMs ?? 0,
      purgeIntervalMs: this.#options.repartitionPurgeIntervalMs ?? 30_000,
      onNotice: (notice) => this.#options.onNotice?.(notice),
      ...(this.#options.onEvent === undefined ? {} : { onEvent: this.#options.onEvent }),
      maxBufferedRecords: maxBufferedRecords ?? 4096,
      maxBufferedBytes: maxBufferedBytes ?? 32 * 1024 * 1024,
      ...this.#callbacks,
    })
  }

  get #callbacks() {
    const { onFailure, decide } = this.#options
    return {
      onFailure: (error: WaggleError) => {
        // The missing topic may exist now.
        if (error.code === 'WAGGLE_MISSING_TOPIC') this.#parts.topics.knowAllSoon()
        if (error.code === 'WAGGLE_WORKER_DIED') this.#failed++
        onFailure?.(error)
      },
      decide: (error: WaggleError) => {
        // A failure that another process or application caused is not counted. A worker's death is counted in `onFailure`.
        if (!isOfAnother(error) && error.code !== 'WAGGLE_WORKER_DIED') this.#failed++
        const decision = decide?.(error) ?? 'goOn'
        if (decision === 'stop') this.#failure ??= error
        return decision
      },
      onStopped: this.#parts.onStopped,
    }
  }
}
