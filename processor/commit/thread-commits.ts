import type { Topology } from '../../topology/graph.ts'
import type { EngineEvent } from '../metrics/engine-event.ts'
import type { ThreadMeters } from '../metrics/thread-meters.ts'
import type { Clock, CommitReceipt, Consumer, Log, ProducerRecord, TaskProducer } from '../ports.ts'
import type { TaskStates } from '../state/task-states.ts'
import type { InputId, RefusedInputs } from '../task/refused-inputs.ts'
import type { Task } from '../task/task.ts'
import { type CommitContent, type CommittingTasks, takeContent } from './commit-content.ts'
import { hasRecords, sendInOrder } from './commit-order.ts'
import { CommitSchedule } from './commit-schedule.ts'
import { CommitSearch } from './commit-search.ts'
import { RepartitionPurge } from './repartition-purge.ts'

export interface ThreadCommitsOptions {
  /** The name of the thread. */
  readonly name: string
  readonly applicationId: string
  readonly topology: Topology
  readonly log: Log
  readonly clock: Clock
  readonly meters: ThreadMeters
  readonly source: CommittingTasks
  readonly states: TaskStates | null
  readonly consumers: () => readonly Consumer[]
  readonly refused: RefusedInputs
  readonly commitIntervalMs: number
  readonly commitsWhenIdle: boolean
  readonly purgeIntervalMs: number
  readonly onNotice: (notice: string) => void
  readonly onEvent?: (event: EngineEvent) => void
  /** Called when a commit has succeeded. */
  readonly onCommitted: () => void
  /** Called when a commit has failed as a whole or in part. */
  readonly onFailure: (error: unknown) => void
  /** Called when a commit has ended. The next one may be due, and delayed work may go on. */
  readonly onEnded: () => void
}

/**
 * The commits of one stream thread, and the records that its tasks send. A commit is sealed at once, with everything that the tasks have done so far
 * (`commit-content.ts`). Then it is sent beside the loop, in an order that is safe for crashes (`commit-order.ts`):
 *
 *     append ─► append ─► seal ─► sent ─► took effect: stores, disks and the thread are told
 *                           │        └──► refused: the tasks go back to their last commit
 *                           └─► append ─► … (the next one)
 */
export class ThreadCommits {
  /** Decides when the next commit is sealed. */
  readonly schedule: CommitSchedule
  readonly #options: ThreadCommitsOptions
  readonly #clock: Clock
  readonly #purge: RepartitionPurge
  #producer: TaskProducer | null = null
  #appended = 0
  /** True from a drop or a failed commit until the tasks are back at their last commit. No commit is sealed in between. */
  #isDropped = false
  #onTheirWay = 0
  #done: Promise<void> = Promise.resolve()
  #spentMs = 0
  /** The time since which some work has waited for a commit; null if none waits. */
  #uncommittedSinceMs: number | null = null
  #wentBackAtMs = Number.NEGATIVE_INFINITY
  readonly #search: CommitSearch

  constructor(options: ThreadCommitsOptions) {
    this.#options = options
    this.#clock = options.clock
    this.schedule = new CommitSchedule({ ...options, maxProcessedAhead: options.states === null ? Number.POSITIVE_INFINITY : maxProcessedAhead })
    this.#search = new CommitSearch(options.refused)
    this.#purge = new RepartitionPurge({ ...options, intervalMs: options.purgeIntervalMs })
  }

  async open(): Promise<void> {
    this.#producer = await this.#newProducer()
    this.schedule.begin()
  }

  get isOpen(): boolean {
    return this.#producer !== null
  }

  append(record: ProducerRecord): void {
    this.#appended++
    this.#uncommittedSinceMs ??= this.#clock.elapsedMs()
    this.#producer?.append(record)
  }

  /** The number of records in the open commit. */
  get appended(): number {
    return this.#appended
  }

  /** True while there is uncommitted work. */
  get isUnderWay(): boolean {
    return this.#appended > 0 || this.#onTheirWay > 0
  }

  /** True if a commit on its way takes so long that tasks must not process further. */
  get isTooFarAhead(): boolean {
    return this.#onTheirWay > 0 && this.#appended >= maxAppendedAhead
  }

  /**
   * The number of steps that may be done before the next commit. A step is one processed input or one forwarded outcome. Infinite, except during a
   * search for a record that makes commits fail.
   */
  get room(): number {
    return this.#search.isActive && this.#onTheirWay > 0 ? 0 : this.#search.room
  }

  did(steps: number, last: () => InputId | null): void {
    this.#search.did(steps, last)
  }

  /** Called when the tasks roll back for any reason. True if the search for the record at fault goes on or has found it. */
  goBack(error: unknown): boolean {
    this.#wentBackAtMs = this.#clock.elapsedMs()
    this.#uncommittedSinceMs ??= this.#wentBackAtMs
    return this.#search.failed(error)
  }

  /** Time for which some work has waited for a successful commit, in ms. A rollback does not end this time. 0 if no work waits. */
  get uncommittedMs(): number {
    return this.#uncommittedSinceMs === null ? 0 : this.#clock.elapsedMs() - this.#uncommittedSinceMs
  }

  commitIfDue({ isIdle }: { readonly isIdle: boolean }): void {
    if (this.#onTheirWay >= maxOnTheirWay) return
    const isDueNow = isIdle && this.#appended > 0 && this.schedule.isDueWhenIdle
    if (isDueNow || this.schedule.isDue || this.#search.room <= 0) this.#seal()
  }

  /** True if a demanded commit can be sealed as soon as the thread has no more records to process. */
  get isWaitedFor(): boolean {
    return this.schedule.isRequested && this.#onTheirWay < maxOnTheirWay
  }

  /** Seals a demanded commit, because the thread has no more records to process. */
  commitWhenDone(): void {
    if (this.isWaitedFor) this.#seal()
  }

  /** Time until the next commit must be sealed, in ms. Null if there is no work to commit, or if no further commit may start. */
  get dueInMs(): number | null {
    const mayCommit = this.#onTheirWay < maxOnTheirWay && (this.#appended > 0 || this.#options.source.hasUncommitted)
    return mayCommit ? this.schedule.dueInMs : null
  }

  /** Settles when all work so far is committed, or has failed. */
  async commitAll(): Promise<void> {
    // The positions are in the last stage of a commit. A commit with fewer stages would write its positions before an earlier commit has finished its
    // stages.
    while (this.#onTheirWay > 0) await this.#done
    this.#seal()
    await this.#done
  }

  /** Settles when no commit is on its way. */
  get done(): Promise<void> {
    return this.#done
  }

  /** Time that the loop has spent on commits since the start, in ms. Work beside the loop does not count. */
  get spentMs(): number {
    return this.#spentMs
  }

  /** Drops all uncommitted work. Another process may have the tasks now, and does the work again. The caller must call `abort` next. */
  async drop(): Promise<void> {
    this.#isDropped = true
    await this.#producer?.abort()
  }

  /** Aborts everything written since the last commit. A fenced producer is replaced by a new one. */
  async abort(options: { readonly isFenced: boolean; readonly onFailure: (error: unknown) => void }): Promise<void> {
    this.#appended = 0
    this.schedule.reset()
    this.#isDropped = false
    const before = this.#producer
    if (options.isFenced) {
      this.#producer = null
      // An open transaction of the old producer would block readers of the tasks' output.
      await before?.close().catch(options.onFailure)
    } else await before?.abort().catch(options.onFailure)
    this.#producer ??= await this.#newProducer()
  }

  async close(): Promise<void> {
    this.#purge.close()
    await this.#producer?.close()
  }

  #newProducer(): Promise<TaskProducer> {
    const { log, applicationId, consumers } = this.#options
    return log.taskProducer({ group: applicationId, consumers })
  }

  #seal(): void {
    const producer = this.#producer
    if (producer === null || this.#isDropped) return
    const { source, meters } = this.#options
    const tasks = source.takeTouched()
    const start = this.#clock.elapsedMs()
    this.#search.sealed()
    for (const task of tasks) task.flush()
    const content = takeContent(source, tasks)
    this.schedule.sealed()
    if (content.tasks === 0 && this.#appended === 0) {
      for (const task of tasks) task.committed()
      this.#search.committed()
      // Right after a rollback there is nothing to commit, but the work that was rolled back is not committed either. So the time since which work
      // waits stays.
      if (start - this.#wentBackAtMs >= calmMs) this.#uncommittedSinceMs = null
      return
    }
    this.#uncommittedSinceMs ??= this.#clock.elapsedMs()
    const { positions, state } = content
    const isForLog = positions.length > 0 || state.length > 0 || this.#appended > 0 || hasRecords(content)
    const records = this.#appended
    this.#appended = 0
    this.#onTheirWay++
    const isAtomic = this.#options.log.traits.atomicCommit
    const sent: Promise<CommitReceipt> = isForLog ? sendInOrder(producer, content, { isAtomic }) : Promise.resolve({ ends: [] })
    this.#done = sent
      .then((receipt) => {
        const ms = this.#clock.elapsedMs() - start
        meters.commit.record(ms / Math.max(1, content.tasks))
        const { name: thread, onEvent } = this.#options
        onEvent?.({ kind: 'committed', thread, tasks: content.tasks, positions: positions.length, records, ms })
        this.#tookEffect(content, receipt, tasks)
      })
      .catch((error: unknown) => {
        this.#isDropped = true
        this.#options.onFailure(error)
      })
      .then(() => {
        this.#onTheirWay--
        this.#options.onEnded()
      })
    this.#spentMs += this.#clock.elapsedMs() - start
  }

  /** Passes on that a commit took effect: to the search, the thread, the tasks' disks and stores, and the purge of repartition topics. */
  #tookEffect({ diskWrites, positions }: CommitContent, receipt: CommitReceipt, tasks: readonly Task[]): void {
    this.#search.committed()
    this.#uncommittedSinceMs = this.#appended > 0 ? this.#clock.elapsedMs() : null
    this.#options.onCommitted()
    for (const part of diskWrites) part.target.write(part, receipt.ends)
    for (const task of tasks) task.committed()
    this.#purge.committed(positions)
  }
}

/**
 * The most commits on their way at a time. With a limit of 1, no commit waits behind another commit. Work that is done meanwhile goes into the next
 * commit.
 */
const maxOnTheirWay = 1
const maxAppendedAhead = 20_000
/** A thread without work to commit counts as recovered only if its last rollback is at least this long ago, in ms. */
const calmMs = 6_000
/**
 * The most records that may be processed between two commits. Long commit intervals reach this limit. It exists because uncommitted changes stay in
 * memory.
 */
const maxProcessedAhead = 100_000
