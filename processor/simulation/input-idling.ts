import { partitionName } from '../ports.ts'
import type { Task } from '../task/task.ts'

/** The waits of tasks for empty inputs (KIP-695), on a clock that a test moves. */
export class InputIdling {
  readonly #maxTaskIdleMs: number
  readonly #now: () => number
  /** The time at which the wait for an empty input ends, by input. */
  readonly #deadlines = new Map<string, number>()

  constructor(maxTaskIdleMs: number, now: () => number) {
    this.#maxTaskIdleMs = maxTaskIdleMs
    this.#now = now
  }

  /** True if each input of the task has a record, or if the task has waited long enough. */
  mayProcess(task: Task): boolean {
    if (this.#maxTaskIdleMs <= 0) return true
    const full = new Set(task.fullInputs.map(partitionName))
    let isReady = true
    for (const input of task.inputs) if (!this.#isKnown(`${task.id} ${partitionName(input)}`, full.has(partitionName(input)))) isReady = false
    return isReady
  }

  #isKnown(input: string, isFull: boolean): boolean {
    if (isFull) {
      this.#deadlines.delete(input)
      return true
    }
    const deadline = this.#deadlines.get(input) ?? this.#now() + this.#maxTaskIdleMs
    this.#deadlines.set(input, deadline)
    return this.#now() >= deadline
  }
}
