import type { WaggleError } from '../../topology/waggle-error.ts'
import type { Clock, Consumer, RecordRun } from '../ports.ts'
import type { Task } from '../task/task.ts'
import { PreparingRuns } from './preparing-runs.ts'

export interface InputFlowOptions {
  readonly clock: Clock
  /** Time that a task waits for an empty input, in ms. Below 0 the task does not even wait for records that are known to exist. */
  readonly maxTaskIdleMs: number
  /** The most buffered records in all tasks of the thread. At the limit, tasks that have at least their fair part are paused. */
  readonly maxBufferedRecords: number
  /** The most memory of buffered records, in bytes. */
  readonly maxBufferedBytes: number
  /** The number of the thread's tasks, which share the limits. */
  readonly taskCount: () => number
  /** The tasks of the thread that may have records. Every task that has records is among them. */
  readonly ready: () => Iterable<Task>
  readonly consumerOf: (task: Task) => Consumer | undefined
  /** True while the task runs in this thread. */
  readonly isOpen: (task: Task) => boolean
  /** Called each time a resource that a record needs is unavailable. */
  readonly onUnavailable: (error: WaggleError) => void
  readonly wake: () => void
}

/**
 * Moves records from consumers into tasks. Records that must be prepared wait. A task whose buffer is full is paused until it has room. A task with
 * an empty input waits, because the oldest record may be in that input.
 */
export class InputFlow {
  readonly #options: InputFlowOptions
  readonly #preparing: PreparingRuns
  readonly #paused = new Set<Task>()
  /** The time since when a task waits for an empty input. */
  readonly #idleSince = new Map<Task, number>()

  constructor(options: InputFlowOptions) {
    this.#options = options
    const { clock, onUnavailable, isOpen, wake, consumerOf } = options
    this.#preparing = new PreparingRuns({
      clock,
      onUnavailable,
      isOpen,
      hold: (task, partition) => consumerOf(task)?.pause([partition]),
      letGo: (task, partition) => {
        if (this.#hasRoom(task)) consumerOf(task)?.resume([partition])
        else this.#pause(task)
      },
      wake,
    })
  }

  give(task: Task, run: RecordRun): void {
    const source = task.preparingSource(run.topic, run.partition)
    if (source === null) task.add(run.topic, run.partition, run.records)
    else this.#preparing.add(task, source, run)
    if (!this.#hasRoom(task)) this.#pause(task)
  }

  /**
   * True if the task may process its next record. The oldest record is known only if all inputs have a record. The task waits for records that are
   * known to exist, and for other records up to `maxTaskIdleMs` (KIP-695).
   */
  mayChoose(task: Task): boolean {
    const { maxTaskIdleMs, clock, consumerOf } = this.#options
    const empty = maxTaskIdleMs < 0 ? [] : task.emptyInputs
    if (empty.length === 0) {
      this.#idleSince.delete(task)
      return true
    }
    const consumer = consumerOf(task)
    const coming = empty.filter((input) => consumer?.hasMore(input) && !this.#preparing.has(task, input))
    if (coming.length > 0 || empty.some((input) => this.#preparing.has(task, input))) {
      // The input may be paused although it has records, because records of other inputs keep the task full.
      if (this.#paused.has(task)) consumer?.resume(coming)
      return false
    }
    if (maxTaskIdleMs === 0) return enforced(task)
    const now = clock.elapsedMs()
    const since = this.#idleSince.get(task) ?? now
    this.#idleSince.set(task, since)
    return now - since >= maxTaskIdleMs && enforced(task)
  }

  /** Time until a task has waited long enough for its empty inputs, in ms; null if no task waits. */
  get chooseInMs(): number | null {
    const now = this.#options.clock.elapsedMs()
    let wait: number | null = null
    for (const since of this.#idleSince.values()) {
      const own = Math.max(1, since + this.#options.maxTaskIdleMs - now)
      wait = Math.min(wait ?? own, own)
    }
    return wait
  }

  /** Resumes the inputs of a task that has room again. */
  readOn(task: Task): void {
    if (!this.#paused.has(task) || !this.#hasRoom(task)) return
    this.#paused.delete(task)
    this.#options.consumerOf(task)?.resume(task.inputs.filter((input) => !this.#preparing.has(task, input)))
  }

  /** Drops the waits of all other tasks. */
  keep(tasks: readonly Task[]): void {
    const running = new Set(tasks)
    for (const task of this.#paused) if (!running.has(task)) this.#paused.delete(task)
    for (const task of this.#idleSince.keys()) if (!running.has(task)) this.#idleSince.delete(task)
  }

  clear(): void {
    this.#preparing.clear()
    this.#paused.clear()
    this.#idleSince.clear()
  }

  /**
   * The most records of the next poll: the free room. Without free room, the fair part of one task, for tasks that have less. If the memory is used
   * up, one record, because each record may be large.
   */
  pollLimit(most: number): number {
    const { maxBufferedRecords, maxBufferedBytes, taskCount } = this.#options
    const { records, bytes } = this.#buffered()
    const fair = Math.max(1, Math.floor(maxBufferedRecords / Math.max(1, taskCount())))
    if (bytes >= maxBufferedBytes) return 1
    return Math.min(most, Math.max(fair, maxBufferedRecords - records))
  }

  /** A task that has less than its fair part always has room. */
  #hasRoom(task: Task): boolean {
    const { maxBufferedRecords, maxBufferedBytes, taskCount } = this.#options
    const { bufferedRecords, bufferedBytes } = task
    const share = Math.max(1, taskCount())
    if (bufferedRecords * share < maxBufferedRecords && bufferedBytes * share < maxBufferedBytes) return true
    const { records, bytes } = this.#buffered()
    return records < maxBufferedRecords && bytes < maxBufferedBytes
  }

  #buffered(): { readonly records: number; readonly bytes: number } {
    let records = 0
    let bytes = 0
    for (const task of this.#options.ready()) {
      records += task.bufferedRecords
      bytes += task.bufferedBytes
    }
    return { records, bytes }
  }

  #pause(task: Task): void {
    this.#paused.add(task)
    // Empty inputs are resumed, because they may have the record that must be processed first.
    this.#options.consumerOf(task)?.pause(task.fullInputs)
  }
}

function enforced(task: Task): true {
  task.meters.enforced.record(1)
  return true
}
