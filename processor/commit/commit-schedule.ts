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
 * asks in each pass of its loop.
 */
export class CommitSchedule {
  readonly #options: CommitScheduleOptions
  readonly #rate = new RecordRate(busyRecordsASecond)
  /** The time of the last commit, or of the start. */
  #lastAtMs = 0
  /** Records processed since the last commit was sealed. */
  #processedAhead = 0
  #isRequested = false

  constructor(options: CommitScheduleOptions) {
    this.#options = options
  }

  /** Starts the interval of the first commit. */
  begin(): void {
    this.#lastAtMs = this.#options.clock.elapsedMs()
  }

  /** Makes the next commit due at once. */
  request(): void {
    this.#isRequested = true
  }

  processed(records: number): void {
    this.#processedAhead += records
    if (records > 0) this.#rate.add(records, this.#options.clock.elapsedMs())
  }

  get isDue(): boolean {
    const { commitIntervalMs, maxProcessedAhead, clock } = this.#options
    return this.#isRequested || this.#processedAhead >= maxProcessedAhead || clock.elapsedMs() - this.#lastAtMs >= commitIntervalMs
  }

  /** True if a commit is due as soon as the thread is idle. */
  get isDueWhenIdle(): boolean {
    return this.#options.commitsWhenIdle && this.#rate.isLow(this.#options.clock.elapsedMs())
  }

  /** Time until a commit is due, at least 1 ms. */
  get dueInMs(): number {
    return Math.max(1, this.#options.commitIntervalMs - (this.#options.clock.elapsedMs() - this.#lastAtMs))
  }

  /** Called when a commit has been sealed. Later work belongs to the next one. */
  sealed(): void {
    this.#isRequested = false
    this.#processedAhead = 0
    this.#lastAtMs = this.#options.clock.elapsedMs()
  }

  /** Forgets the demand for a commit, because the work that it waited for has been rolled back. */
  reset(): void {
    this.#isRequested = false
  }
}

/** Above this rate, commits at idle moments cost more than they gain. */
const busyRecordsASecond = 500
