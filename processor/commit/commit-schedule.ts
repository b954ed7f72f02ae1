import type { Clock } from '../ports.ts'
import { RecordRate } from './record-rate.ts'

export interface CommitScheduleOptions {
  readonly clock: Clock
  readonly commitIntervalMs: number
  /** True: a quiet thread commits as soon as it is idle. */
  readonly commitsWhenIdle: boolean
  /** The most records that may be processed between two commits; infinite where the log keeps the state. */
  readonly maxProcessedAhead: number
}

/**
 * Decides when the commits of a thread begin: on demand, after the interval, after many records, and at idle moments of a quiet thread. The thread
 * asks in each pass of its loop. A demanded commit waits a moment for records that the thread can process now, so that they share the commit and its
 * sync. A thread without such records waits for nothing.
 */
export class CommitSchedule {
  readonly #options: CommitScheduleOptions
  readonly #rate = new RecordRate(busyRecordsASecond)
  /** The time of the last commit, or of the start. */
  #lastAtMs = 0
  /** Records processed since the last commit was sealed. */
  #processedAhead = 0
  /** The time of the first demand for the next commit; null without a demand. */
  #requestedAtMs: number | null = null

  constructor(options: CommitScheduleOptions) {
    this.#options = options
  }

  /** Starts the interval of the first commit. */
  begin(): void {
    this.#lastAtMs = this.#options.clock.elapsedMs()
  }

  /** Makes the next commit due as soon as the thread has no more records to process, and at the latest after `gatherMs`. */
  request(): void {
    this.#requestedAtMs ??= this.#options.clock.elapsedMs()
  }

  /** True if a commit is due as soon as the thread has no more records to process. */
  get isRequested(): boolean {
    return this.#requestedAtMs !== null
  }

  processed(records: number): void {
    this.#processedAhead += records
    if (records > 0) this.#rate.add(records, this.#options.clock.elapsedMs())
  }

  get isDue(): boolean {
    const { commitIntervalMs, maxProcessedAhead, clock } = this.#options
    if (this.#processedAhead >= maxProcessedAhead) return true
    const now = clock.elapsedMs()
    return now - this.#lastAtMs >= commitIntervalMs || (this.#requestedAtMs !== null && now - this.#requestedAtMs >= gatherMs)
  }

  /** True if a commit is due as soon as the thread is idle. */
  get isDueWhenIdle(): boolean {
    return this.#options.commitsWhenIdle && !this.isBusy
  }

  /** True if many records came in the last second or two. */
  get isBusy(): boolean {
    return !this.#rate.isLow(this.#options.clock.elapsedMs())
  }

  /** Time until a commit is due, at least 1 ms. */
  get dueInMs(): number {
    return Math.max(1, this.#options.commitIntervalMs - (this.#options.clock.elapsedMs() - this.#lastAtMs))
  }

  /** Called when a commit has been sealed. Later work belongs to the next one. */
  sealed(): void {
    this.#requestedAtMs = null
    this.#processedAhead = 0
    this.#lastAtMs = this.#options.clock.elapsedMs()
  }

  /** Forgets the demand for a commit, because the work that it waited for has been rolled back. */
  reset(): void {
    this.#requestedAtMs = null
  }
}

/** The longest time, in ms, for which a demanded commit waits for further records. */
const gatherMs = 2
/** Above this rate, commits at idle moments cost more than they gain. */
const busyRecordsASecond = 500
