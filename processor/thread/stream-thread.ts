import { WaggleError } from '../../topology/waggle-error.ts'
import { Batchers } from '../async/batchers.ts'
import type { Flights } from '../async/flights.ts'
import { ThreadCommits } from '../commit/thread-commits.ts'
import { eventLoopTurn } from '../event-loop-turn.ts'
import type { Metric } from '../metrics/meters.ts'
import { ThreadMeters } from '../metrics/thread-meters.ts'
import type { Clock, Consumer, Log, TopicPartition } from '../ports.ts'
import type { TaskStates } from '../state/task-states.ts'
import { type FailurePolicy, isOfAnother, retriesCommit, StandingFailure } from '../task/failures.ts'
import { RefusedInputs } from '../task/refused-inputs.ts'
import { CacheBudget } from '../task/table-cache.ts'
import type { Task } from '../task/task.ts'
import type { TaskSurroundings } from '../task/task-state.ts'
import { InputFlow } from './input-flow.ts'
import type { OpenWorkers } from './open-workers.ts'
import { SkippedRecords } from './skipped-records.ts'
import type { SpreadOptions, ThreadAssignor } from './thread-assignor.ts'
import { type PolledGroup, ThreadGroups } from './thread-groups.ts'
import type { ThreadProgram } from './thread-program.ts'
import { ThreadTasks } from './thread-tasks.ts'

export interface StreamThreadOptions {
  readonly name: string
  readonly program: ThreadProgram
  readonly log: Log
  readonly clock: Clock
  readonly workers: OpenWorkers
  readonly partitionsOf: (topic: string) => number
  readonly failures: FailurePolicy
  readonly flights: Flights | null
  readonly commitIntervalMs: number
  /** True: a commit begins as soon as the thread is idle, one at a time. For logs whose readers see only committed records. */
  readonly commitsWhenIdle: boolean
  readonly emitIntervalMs: number
  /** States of tasks on a log that keeps none; null on a log that keeps state. */
  readonly states: TaskStates | null
  /** Settings for the distribution of tasks, on a log whose groups have members in other processes. */
  readonly spread: SpreadOptions | null
  /** Called when `isSettled` may have changed. */
  readonly onSettling: () => void
  /** The most bytes of table updates that wait for a commit; 0: each update is forwarded at once. */
  readonly cacheMaxBytes: number
  /** Time that a task waits for an empty input, in ms. Below 0 it does not even wait for records that are known to exist. */
  readonly maxTaskIdleMs: number
  /** The most buffered records in all tasks. Past it, tasks with at least their fair part are paused. */
  readonly maxBufferedRecords: number
  readonly maxBufferedBytes: number
  /** The shortest time between two purges of repartition topics, in ms. */
  readonly purgeIntervalMs: number
  readonly onNotice: (notice: string) => void
  /** Called with each failure that was rolled back. The thread goes on by itself. */
  readonly onFailure: (error: WaggleError) => void
  /** Decides after each failure that was rolled back; `stop` ends the loop. */
  readonly decide: (error: WaggleError) => 'goOn' | 'stop'
  /** Called when the loop has ended because `decide` returned `stop`. */
  readonly onStopped: () => void
}

/**
 * One loop that polls, processes and commits for the tasks assigned to it:
 *
 *     poll ─► give runs to tasks ─► drain outcomes, process, punctuate ─► commit (in the background) ─┐
 *      ▲                                                                                              │
 *      └──── wait: for records, an outcome, a schedule, the commit interval ◄─────────────────────────┘
 *
 * Whatever fails (a node, a commit) rolls all its tasks back to the last commit, and the loop goes on from there.
 */
export class StreamThread {
  readonly #options: StreamThreadOptions
  readonly #clock: Clock
  readonly meters: ThreadMeters
  readonly #threadTasks: ThreadTasks
  readonly #skipped: SkippedRecords
  readonly #cache: CacheBudget | null
  readonly #batchers: Batchers
  readonly #inputs: InputFlow
  readonly #groups: ThreadGroups
  readonly #commits: ThreadCommits
  readonly #refused = new RefusedInputs()
  #failure: unknown = null
  /** The failure of a commit that the log refused. */
  #refusedCommit: unknown = null
  #failures = 0
  #woken = false
  #stopping = false
  #isPaused = false
  #started: Promise<void> | null = null
  #loop: Promise<void> | null = null
  #stopped: Promise<void> | null = null
  #ended = false

  constructor(options: StreamThreadOptions) {
    this.#options = options
    this.#clock = options.clock
    this.#batchers = new Batchers(options)
    this.#cache = options.cacheMaxBytes > 0 ? new CacheBudget(options.cacheMaxBytes) : null
    this.meters = new ThreadMeters(options.name, { startedAt: options.clock.now(), state: () => states.indexOf(this.state) })
    this.#threadTasks = new ThreadTasks(options.program, options.log, {
      surroundings: this.#surroundings(),
      meters: this.meters,
      states: options.states,
    })
    this.#skipped = new SkippedRecords(options.name, options.onFailure)
    this.#groups = new ThreadGroups({
      ...options,
      skipped: this.#skipped,
      listenerOf: (group) => this.#listener(group),
      positionOf: (group, input) => {
        const task = this.#threadTasks.taskOf(group, input)
        return task === undefined ? null : (this.#threadTasks.stateOf(task)?.offset(input) ?? null)
      },
      onProblem: (problem) => this.#meet(problem),
      onReceived: options.onSettling,
    })
    this.#commits = new ThreadCommits({
      ...options,
      refused: this.#refused,
      applicationId: options.program.applicationId,
      topology: options.program.topology,
      meters: this.meters,
      source: this.#threadTasks,
      consumers: () => this.#groups.consumers.map(({ consumer }) => consumer),
      onTaken: () => {
        this.#failures = 0
      },
      onFailure: (error) => {
        this.#failure ??= error
        if (!isOfAnother(failureOf(error))) this.#refusedCommit = error
      },
      onEnded: () => this.#wake(),
    })
    this.#inputs = new InputFlow({
      ...options,
      taskCount: () => this.#threadTasks.tasks.length,
      ready: () => this.#threadTasks.ready.all,
      consumerOf: (task) => this.#consumerOf(task),
      isOpen: (task) => !this.#stopping && this.#threadTasks.has(task),
      onUnavailable: options.onFailure,
      wake: () => this.#wake(),
    })
  }

  get tasks(): readonly Task[] {
    return this.#threadTasks.tasks
  }

  get name(): string {
    return this.#options.name
  }

  /** The number of unprocessed records in each input, as far as known, under the name of Kafka's consumer metric `records-lag`. */
  get lags(): readonly Metric[] {
    return this.tasks.flatMap((task) =>
      task.inputs.flatMap((input): Metric[] => {
        const end = this.#consumerOf(task)?.endOf(input) ?? null
        if (end === null) return []
        const tags = { 'thread-id': this.name, 'task-id': task.id, topic: input.topic, partition: String(input.partition) }
        const value = Math.max(0, end - Math.max(0, task.positionOf(input.topic, input.partition)))
        return [{ group: 'consumer-fetch-manager-metrics', name: 'records-lag', tags, value }]
      }),
    )
  }

  /** Records that were deleted before this thread read them, by partition. */
  get lostRecords(): readonly Metric[] {
    return this.#skipped.metrics
  }

  /** The thread's state in Kafka Streams' terms (StreamThread.State). */
  get state(): ThreadState {
    if (this.#ended) return 'DEAD'
    if (this.#stopping) return 'PENDING_SHUTDOWN'
    if (!this.#commits.isOpen) return 'CREATED'
    return this.#loop === null ? 'STARTING' : 'RUNNING'
  }

  /** Stops processing until `resume`. Finished work is committed. */
  pause(): void {
    this.#isPaused = true
    this.#wake()
  }

  resume(): void {
    this.#isPaused = false
    this.#wake()
  }

  start(): Promise<void> {
    this.#started = this.#start()
    return this.#started
  }

  async #start(): Promise<void> {
    await this.#commits.open()
    await this.#groups.open()
    this.#loop = this.#run()
  }

  /** True when the thread knows its tasks and has the state of all of them. */
  get isSettled(): boolean {
    const running = new Set(this.tasks.map(({ id }) => id))
    return this.#groups.assignors.every(({ active }) => active?.every((id) => running.has(id)))
  }

  /** Time for which work has waited without a successful commit, or for a reset, in ms; 0 where nothing waits. */
  get unsettledMs(): number {
    return this.#commits.unsettledMs
  }

  /** True when all records that the inputs held at the start are processed. For the thread of global stores, where they are read without a group. */
  get isCaughtUp(): boolean {
    return this.#groups.isCaughtUp && this.tasks.length > 0 && this.tasks.every(({ bufferedRecords }) => bufferedRecords === 0)
  }

  /** The assignors of this thread's groups, one for each group. */
  get assignors(): readonly ThreadAssignor[] {
    return this.#groups.assignors
  }

  /**
   * Commits finished work and closes the tasks. Calls in flight are left, and their records are read again. A thread that is still starting closes
   * its resources too.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#stopping = true
    this.#wake()
    await this.#started?.catch(() => {})
    await this.#loop
    this.#inputs.clear()
    await this.#groups.close()
    this.#batchers.closeAll()
    this.#threadTasks.closeAll()
    await this.#commits.close()
    this.#ended = true
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      try {
        if (this.#failure === null) await this.#turn()
        if (this.#failure !== null) throw this.#failure
      } catch (error) {
        const isSearching = this.#commits.goBack(error)
        await this.#rollBack(error, { isSearching })
        if (this.#stopping || isSearching || this.#goesOn(error)) continue
        this.#stopping = true
        this.#options.onStopped()
      }
    }
    try {
      await this.#commits.commitAll()
    } catch (error) {
      this.#options.onFailure(failureOf(error))
    }
  }

  /** True where the loop goes on. A production handler may retry a commit that the log refused; `decide` answers for all other failures. */
  #goesOn(error: unknown): boolean {
    const failure = failureOf(error)
    if (error instanceof StandingFailure && error.retries) return true
    if (error === this.#refusedCommit) {
      this.#refusedCommit = null
      try {
        if (retriesCommit(this.#options.failures, failure)) return true
      } catch (thrown) {
        return this.#options.decide(failureOf(thrown)) === 'goOn'
      }
    }
    return this.#options.decide(failure) === 'goOn'
  }

  /** Takes a reason of the group why tasks run nowhere. Where another topology has the application's id, `decide` says whether to wait for its end. */
  #meet(problem: WaggleError): void {
    this.#options.onFailure(problem)
    if (problem.code !== 'WAGGLE_TOPOLOGY_DIFFERS' || this.#stopping || this.#options.decide(problem) === 'goOn') return
    this.#stopping = true
    this.#wake()
    this.#options.onStopped()
  }

  async #turn(): Promise<void> {
    const start = this.#clock.elapsedMs()
    const punctuatedMs = this.meters.punctuate.sum
    const committedMs = this.#commits.spentMs
    this.#takeState()
    const worked = this.#work()
    const workedUntil = this.#clock.elapsedMs()
    await this.#poll(worked || this.#woken ? 0 : this.#idleMs())
    this.#woken = false
    const punctuateMs = this.meters.punctuate.sum - punctuatedMs
    const commitMs = this.#commits.spentMs - committedMs
    this.meters.turned({
      pollMs: this.#clock.elapsedMs() - workedUntil,
      processMs: Math.max(0, workedUntil - start - punctuateMs - commitMs),
      punctuateMs,
      commitMs,
    })
  }

  /** Opens tasks whose state is restored, and tells the group of copies that have caught up. */
  #takeState(): void {
    if (this.#options.states === null) return
    const wasRestoring = this.#threadTasks.isRestoring
    this.#threadTasks.takeReady()
    if (wasRestoring && !this.#threadTasks.isRestoring) this.#options.onSettling()
    this.#groups.rejoinWhereReady()
  }

  /** One pass over the tasks with work, without yielding. True where more work may be ready. */
  #work(): boolean {
    const now = this.#clock.now()
    this.meters.time.now = now
    const begin = this.#clock.elapsedMs()
    const end = begin + sliceMs
    const { isTooFarAhead } = this.#commits
    const passed: Task[] = []
    let more = false
    let processed = 0
    let at = begin
    this.#threadTasks.ready.each(now, (task) => {
      passed.push(task)
      const drained = task.drain(this.#commits.room)
      if (drained > 0) more = true
      this.#commits.did(drained, () => task.lastInput)
      if (!this.#isPaused) {
        if (task.punctuate(now)) more = true
        task.advance()
        const limit = isTooFarAhead ? 0 : Math.min(recordsAPass, this.#commits.room)
        const { appended } = this.#commits
        const done = limit > 0 && this.#inputs.mayChoose(task) ? task.process(limit) : 0
        if (limit > 0 && done === limit) more = true
        // A record that only waits for an asynchronous node is no part of the commit yet.
        this.#commits.did(task.isAsync ? this.#commits.appended - appended : done, () => task.lastInput)
        this.#inputs.readOn(task)
        processed += done
        const then = this.#clock.elapsedMs()
        task.meters.passed(done, then - at)
        at = then
      }
      if (at > end) more = true
      return at <= end
    })
    this.#processed(processed, at - begin, passed)
    this.#commits.commitIfDue({ isIdle: !more })
    return more
  }

  #processed(records: number, ms: number, tasks: readonly Task[]): void {
    this.meters.processRecords.record(records)
    this.#commits.processed(records)
    if (records === 0) return
    this.meters.process.record(records)
    this.meters.processLatency.record(ms / records)
    this.meters.lastTurn++
    for (const { meters } of tasks) meters.endTurn(ms)
  }

  async #poll(maxWaitMs: number): Promise<void> {
    if (maxWaitMs === 0) await eventLoopTurn()
    const maxRecords = this.#inputs.pollLimit(recordsAPoll)
    const start = this.#clock.elapsedMs()
    const polled = await this.#groups.poll({ maxRecords, maxWaitMs })
    this.#polled(polled, this.#clock.elapsedMs() - start)
    for (const { group, runs, failure } of polled) {
      if (failure !== null) throw failure.error
      for (const run of runs) {
        const task = this.#threadTasks.taskOf(group, run)
        if (task !== undefined) this.#inputs.give(task, run)
      }
    }
  }

  #polled(polled: readonly PolledGroup[], ms: number): void {
    let records = 0
    for (const { runs } of polled) for (const run of runs) records += run.records.length
    this.meters.poll.record(ms)
    if (records > 0) this.meters.pollRecords.record(records)
  }

  #idleMs(): number {
    let wait = this.#commits.dueInMs ?? maxIdleMs
    // The idle wait is bounded, so that the loop notices copies that have caught up.
    if (this.#groups.assignors.length > 0) wait = Math.min(wait, maxIdleMs)
    if (this.#isPaused) return wait
    wait = Math.min(wait, this.#inputs.chooseInMs ?? wait)
    return Math.min(wait, Math.max(1, this.#threadTasks.ready.nextDue - this.#clock.now()))
  }

  // ── Going back ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Rolls all tasks back to the last commit. With `isSearching`, the search for the record at fault runs, and reports its failure once it is found.
   */
  async #rollBack(error: unknown, { isSearching }: { readonly isSearching: boolean }): Promise<void> {
    const failure = failureOf(error)
    if (!isSearching) {
      this.#failures++
      this.#options.onFailure(failure)
    }
    await this.#commits.done
    this.#dropTasks()
    // A rollback fails too while the log is away: the loop handles this as another failure.
    this.#failure = await this.#goBack({ isFenced: failure.code === 'WAGGLE_FENCED' }).then(
      () => null,
      (thrown: unknown) => thrown,
    )
    if (!isSearching) await this.#pauseFor(Math.min(maxBackOffMs, backOffMs * 2 ** Math.min(10, this.#failures - 1)))
  }

  async #goBack({ isFenced }: { readonly isFenced: boolean }): Promise<void> {
    await this.#commits.abort({ isFenced, onFailure: (thrown) => this.#options.onFailure(failureOf(thrown)) })
    if (!this.#options.log.traits.handsOn) await this.#reopen()
  }

  /**
   * Reopens the tasks at the last commit. On a log that does not hand on, an abort takes nothing from the consumers, so they seek back themselves.
   */
  async #reopen(): Promise<void> {
    for (const { group, consumer } of this.#groups.consumers) {
      const partitions = this.#threadTasks.partitionsOf(group)
      await this.#threadTasks.assign(group, consumer, partitions, { seek: true })
    }
  }

  #dropTasks(): void {
    this.#batchers.closeAll()
    this.#inputs.clear()
    this.#threadTasks.closeAll()
  }

  #pauseFor(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(delayMs, resolve)
    })
  }

  // ── Assignment ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #listener(group: string) {
    return {
      assigned: async (partitions: readonly TopicPartition[]) => {
        const consumer = this.#groups.consumerOf(group)
        if (this.#threadTasks.changes(group, partitions)) await this.#commits.commitAll()
        if (consumer !== undefined) await this.#threadTasks.assign(group, consumer, partitions, { seek: false })
        this.#forgetGone()
        this.#options.onSettling()
      },
      revoked: async (partitions: readonly TopicPartition[]) => {
        await this.#commits.commitAll()
        this.#threadTasks.revoke(group, partitions)
        this.#forgetGone()
      },
      lost: async (partitions: readonly TopicPartition[]) => {
        this.#threadTasks.revoke(group, partitions)
        this.#forgetGone()
        // A log that hands on drops the uncommitted writes of these tasks itself.
        if (this.#options.log.traits.handsOn || !this.#commits.isUnderWay) return
        this.#failure ??= lostError(group)
        await this.#commits.drop().catch((error: unknown) => this.#options.onFailure(failureOf(error)))
      },
    }
  }

  /** Drops the buffers and batchers of tasks that no longer run here. */
  #forgetGone(): void {
    this.#inputs.keep(this.tasks)
    this.#batchers.keep(this.tasks.map(({ id }) => id))
  }

  #consumerOf(task: Task): Consumer | undefined {
    const group = this.#threadTasks.groupOf(task)
    return this.#groups.consumerOf(group)
  }

  #wake(): void {
    this.#woken = true
    this.#groups.wakeup()
  }

  #surroundings(): TaskSurroundings {
    return {
      applicationId: this.#options.program.applicationId,
      clock: this.#options.clock,
      handsOn: this.#options.log.traits.handsOn,
      failures: this.#options.failures,
      refused: this.#refused,
      emitIntervalMs: this.#options.emitIntervalMs,
      cache: this.#cache,
      maxNoteBytes: this.#options.log.traits.maxNoteBytes ?? Number.POSITIVE_INFINITY,
      partitionsOf: this.#options.partitionsOf,
      emit: (record) => this.#commits.append(record),
      batcher: (node, task) => this.#batchers.of(node, task),
      roomShare: (node, task) => this.#batchers.roomShare(node, task),
      requestCommit: () => this.#commits.request(),
      wake: () => this.#wake(),
    }
  }
}

const states = ['CREATED', 'STARTING', 'PARTITIONS_REVOKED', 'PARTITIONS_ASSIGNED', 'RUNNING', 'PENDING_SHUTDOWN', 'DEAD'] as const
export type ThreadState = (typeof states)[number]

const recordsAPass = 256
const recordsAPoll = 2048
/** Time that the loop works before timers, sockets and workers get their turn, in ms. */
const sliceMs = 5
const maxIdleMs = 1000
const backOffMs = 50
const maxBackOffMs = 5000

function lostError(group: string): WaggleError {
  return new WaggleError('WAGGLE_FENCED', {
    message: `${group} went on without this member, which was away for too long`,
    next: 'Nothing: it goes back to its last commit, and takes up what it is given now.',
  })
}

function failureOf(thrown: unknown): WaggleError {
  const error = thrown instanceof StandingFailure ? thrown.cause : thrown
  return WaggleError.from('WAGGLE_TASK_FAILED', error, { next: 'The tasks went back to their last commit and go on; see the cause.' })
}
