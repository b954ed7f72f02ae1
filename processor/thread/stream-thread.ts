import type { WaggleError } from '../../topology/waggle-error.ts'
import { Batchers } from '../async/batchers.ts'
import { ThreadCommits } from '../commit/thread-commits.ts'
import { eventLoopTurn } from '../event-loop-turn.ts'
import type { CallMeters } from '../metrics/call-meters.ts'
import type { Metric } from '../metrics/meters.ts'
import { ThreadMeters } from '../metrics/thread-meters.ts'
import type { AssignmentListener, Clock, Consumer } from '../ports.ts'
import { isOfAnother, retriesCommit, StandingFailure } from '../task/failures.ts'
import { RefusedInputs } from '../task/refused-inputs.ts'
import { CacheBudget } from '../task/table-cache.ts'
import type { Task } from '../task/task.ts'
import type { TaskSurroundings } from '../task/task-surroundings.ts'
import { ThreadAssignmentListener } from './assignment-listener.ts'
import { InputFlow } from './input-flow.ts'
import { failureOf, Rollback } from './rollback.ts'
import { SkippedRecords } from './skipped-records.ts'
import type { StreamThreadOptions } from './stream-thread-options.ts'
import type { ThreadAssignor } from './thread-assignor.ts'
import { type PolledGroup, ThreadGroups } from './thread-groups.ts'
import { ThreadTasks } from './thread-tasks.ts'

/**
 * One loop that polls, processes and commits for the tasks assigned to it:
 *
 *     poll ─► give runs to tasks ─► drain outcomes, process, punctuate ─► commit (in the background) ─┐
 *      ▲                                                                                              │
 *      └──── wait: for records, an outcome, a schedule, the commit interval ◄─────────────────────────┘
 *
 * A failure of a node or a commit rolls all tasks back to the last commit. Then the loop goes on.
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
  readonly #rollback: Rollback
  readonly #refused = new RefusedInputs()
  #failure: unknown = null
  #refusedCommit: unknown = null
  #woken = false
  /** The number of passes of this loop since it last yielded to the event loop, and the time at which it yielded. */
  #passesInARow = 0
  #gaveWayAtMs = 0
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
      onProblem: (problem) => this.#handleProblem(problem),
      onReceived: options.onTasksChanged,
    })
    this.#commits = new ThreadCommits({
      ...options,
      refused: this.#refused,
      applicationId: options.program.applicationId,
      topology: options.program.topology,
      meters: this.meters,
      source: this.#threadTasks,
      consumers: () => this.#groups.consumers.map(({ consumer }) => consumer),
      onCommitted: () => this.#rollback.commitSucceeded(),
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
    this.#rollback = new Rollback({
      ...options,
      tasks: this.#threadTasks,
      groups: this.#groups,
      commits: this.#commits,
      batchers: this.#batchers,
      inputs: this.#inputs,
    })
  }

  get tasks(): readonly Task[] {
    return this.#threadTasks.tasks
  }

  /** Counts of the calls of asynchronous nodes, by the name of the node. */
  get callMeters(): ReadonlyMap<string, CallMeters> {
    return this.#batchers.meters
  }

  get name(): string {
    return this.#options.name
  }

  /** The number of unprocessed records in each input, if known. The metric is named `records-lag`, as in Kafka's consumer. */
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

  /** The number of records that were deleted before this thread read them, by partition. */
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

  /** True if the thread knows its tasks and has the state of all of them. */
  get hasItsTasks(): boolean {
    const running = new Set(this.tasks.map(({ id }) => id))
    return this.#groups.assignors.every(({ active }) => active?.every((id) => running.has(id)))
  }

  /** Time for which some work has waited for a successful commit, in ms. A rollback does not end this time. 0 if no work waits. */
  get uncommittedMs(): number {
    return this.#commits.uncommittedMs
  }

  /** True when all records that the inputs held at the start are processed. Only for a thread that reads global stores without a group. */
  get isCaughtUp(): boolean {
    return this.#groups.isCaughtUp && this.tasks.length > 0 && this.tasks.every(({ bufferedRecords }) => bufferedRecords === 0)
  }

  get assignors(): readonly ThreadAssignor[] {
    return this.#groups.assignors
  }

  /**
   * Commits finished work and closes the tasks. Calls in flight are dropped, and their records are read again. A thread that is still starting closes
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
        if (this.#failure === null) await this.#pass()
        if (this.#failure !== null) throw this.#failure
      } catch (error) {
        const isSearching = this.#commits.goBack(error)
        if (!isSearching) this.#options.onFailure(failureOf(error))
        this.#failure = await this.#rollback.run(failureOf(error), { isSearching })
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

  /** True if the loop goes on. A production handler may retry a commit that the log refused; `decide` answers for all other failures. */
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

  /**
   * Handles the reason why tasks of the group run nowhere. If a process with another topology uses the application's id, `decide` says whether to
   * wait until that process ends.
   */
  #handleProblem(problem: WaggleError): void {
    this.#options.onFailure(problem)
    if (problem.code !== 'WAGGLE_TOPOLOGY_DIFFERS' || this.#stopping || this.#options.decide(problem) === 'goOn') return
    this.#stopping = true
    this.#wake()
    this.#options.onStopped()
  }

  async #pass(): Promise<void> {
    const start = this.#clock.elapsedMs()
    const punctuatedMs = this.meters.punctuate.sum
    const committedMs = this.#commits.spentMs
    this.#takeState()
    const worked = this.#work()
    const workedUntil = this.#clock.elapsedMs()
    const { isWaitedFor } = this.#commits
    const waitMs = worked || this.#woken || isWaitedFor ? 0 : this.#idleMs()
    let polled = await this.#poll(waitMs)
    // A record that ends an idle wait arrives at the beginning of a turn of the event loop. On a busy process, further records arrive in the same
    // turn.
    if (waitMs > 0 && polled > 0 && this.#commits.schedule.isBusy) polled += await this.#poll(0)
    if (isWaitedFor && polled === 0 && !worked && !this.#woken) this.#commits.commitWhenDone()
    this.#woken = false
    const punctuateMs = this.meters.punctuate.sum - punctuatedMs
    const commitMs = this.#commits.spentMs - committedMs
    this.meters.passed({
      pollMs: this.#clock.elapsedMs() - workedUntil,
      processMs: Math.max(0, workedUntil - start - punctuateMs - commitMs),
      punctuateMs,
      commitMs,
    })
  }

  /** Opens tasks whose state is restored, and tells the group which copies have caught up. */
  #takeState(): void {
    if (this.#options.states === null) return
    const wasRestoring = this.#threadTasks.isRestoring
    this.#threadTasks.takeReady()
    if (wasRestoring && !this.#threadTasks.isRestoring) this.#options.onTasksChanged()
    this.#groups.rejoinWhereReady()
  }

  /** One pass over the tasks with work, without yielding. True if there may be more work. */
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
        // A record that only waits for an asynchronous node does not belong to the commit yet.
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
    this.#commits.schedule.processed(records)
    if (records === 0) return
    this.meters.process.record(records)
    this.meters.processLatency.record(ms / records)
    this.meters.lastPass++
    for (const { meters } of tasks) meters.endPass(ms)
  }

  /** Gives polled records to their tasks, and returns the number of records. */
  async #poll(maxWaitMs: number): Promise<number> {
    if (maxWaitMs === 0) await this.#giveWay()
    const maxRecords = this.#inputs.pollLimit(recordsAPoll)
    const start = this.#clock.elapsedMs()
    const polled = await this.#groups.poll({ maxRecords, maxWaitMs })
    const records = this.#polled(polled, this.#clock.elapsedMs() - start)
    for (const { group, runs, failure } of polled) {
      if (failure !== null) throw failure.error
      for (const run of runs) {
        const task = this.#threadTasks.taskOf(group, run)
        if (task !== undefined) this.#inputs.give(task, run)
      }
    }
    return records
  }

  /**
   * Yields to the event loop, so that timers, sockets and workers run. On a quiet process, short passes of this loop follow each other without a
   * yield: a request takes several passes, and each turn of the event loop costs system calls. On a busy process, a yield before each pass lets the
   * requests of a turn share the passes and the commit.
   */
  async #giveWay(): Promise<void> {
    const most = this.#commits.schedule.isBusy ? 1 : maxPassesInARow
    if (++this.#passesInARow < most && this.#clock.elapsedMs() - this.#gaveWayAtMs < giveWayMs) return
    await eventLoopTurn()
    this.#passesInARow = 0
    this.#gaveWayAtMs = this.#clock.elapsedMs()
  }

  #polled(polled: readonly PolledGroup[], ms: number): number {
    let records = 0
    for (const { runs } of polled) for (const run of runs) records += run.records.length
    this.meters.poll.record(ms)
    if (records > 0) this.meters.pollRecords.record(records)
    return records
  }

  /**
   * The longest time for which the loop may wait if nothing wakes it, in ms. Infinite for an idle thread on a log that wakes its readers: such a thread
   * costs nothing.
   */
  #idleMs(): number {
    const { handsOn } = this.#options.log.traits
    let wait = this.#commits.dueInMs ?? (handsOn ? Number.POSITIVE_INFINITY : maxIdleMs)
    // The idle wait is limited, so that the loop notices copies that have caught up.
    if (this.#groups.assignors.length > 0) wait = Math.min(wait, maxIdleMs)
    if (this.#isPaused) return wait
    wait = Math.min(wait, this.#inputs.chooseInMs ?? wait)
    return Math.min(wait, untilDue(this.#threadTasks.ready.nextDue - this.#clock.now()))
  }

  #listener(group: string): AssignmentListener {
    return new ThreadAssignmentListener({
      ...this.#options,
      group,
      tasks: this.#threadTasks,
      groups: this.#groups,
      commits: this.#commits,
      batchers: this.#batchers,
      inputs: this.#inputs,
      onLost: (error) => {
        this.#failure ??= error
      },
    })
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
      waitingShare: (node, task) => this.#batchers.waitingShare(node, task),
      requestCommit: () => this.#commits.schedule.request(),
      wake: () => this.#wake(),
    }
  }
}

/** The wait for a schedule. A long wait ends a little early and is repeated, because the clock may run faster than the timer of the wait. */
function untilDue(dueInMs: number): number {
  return dueInMs > maxIdleMs ? Math.max(maxIdleMs, dueInMs * shareOfWait) : Math.max(1, dueInMs)
}

const states = ['CREATED', 'STARTING', 'PARTITIONS_REVOKED', 'PARTITIONS_ASSIGNED', 'RUNNING', 'PENDING_SHUTDOWN', 'DEAD'] as const
export type ThreadState = (typeof states)[number]

const recordsAPass = 256
const recordsAPoll = 2048
/** The loop of a quiet process yields to the event loop after this number of passes. The loop yields earlier if `giveWayMs` have passed. */
const maxPassesInARow = 8
const giveWayMs = 0.5
/** A pass over the tasks ends after this time, in ms, even if there is more work. */
const sliceMs = 5
const maxIdleMs = 1000
/** The clock follows the machine's clock by at most 5 % of the passing time. */
const shareOfWait = 0.95
