import { RecordRefused } from '../../topology/waggle-error.ts'
import type { InputId, RefusedInputs } from '../task/refused-inputs.ts'

/**
 * Finds the input record because of which commits fail. A log or a store may refuse a commit for one of its records, and cannot say which input made
 * that record. After each refusal the tasks go back to their last commit, and the next commits hold an eighth of the steps:
 *
 *     any number ──refused──► an eighth ──refused──► … ──refused──► one step ──refused──► found
 *         ▲                       └── twice as many steps were taken as the refused commit held ──┐
 *         └───────────────────────────────────────────────────────────────────────────────────────┘
 *
 * A step is one processed input record, or one outcome of an asynchronous node that was forwarded. The steps may come in another order the second
 * time. Then the search ends without a finding, and the next refusal starts a new one.
 */
export class CommitSearch {
  readonly #refused: RefusedInputs
  /** The most steps of a commit; infinite while no search runs. */
  #allowed = Number.POSITIVE_INFINITY
  /** Steps to commit until the search ends without a finding. */
  #left = 0
  #open = 0
  #sealed = 0
  #last: InputId | null = null

  constructor(refused: RefusedInputs) {
    this.#refused = refused
  }

  get isActive(): boolean {
    return this.#allowed !== Number.POSITIVE_INFINITY
  }

  get room(): number {
    return this.#allowed - this.#open
  }

  /** Adds steps to the open commit. `last` is called only while a search runs. */
  did(steps: number, last: () => InputId | null): void {
    this.#open += steps
    if (this.isActive && steps > 0) this.#last = last()
  }

  /** Called when the open commit is sealed. Later steps belong to the next commit. */
  sealed(): void {
    this.#sealed = this.#open
    this.#open = 0
  }

  /** Called when the sealed commit has succeeded. */
  committed(): void {
    if (!this.isActive) return
    this.#left -= this.#sealed
    if (this.#left <= 0) this.#end()
  }

  /** True if the search goes on or has found the record. False if the commit failed for another reason, or for a record that came from no input. */
  failed(error: unknown): boolean {
    const steps = this.#sealed
    this.#open = 0
    this.#sealed = 0
    if (!(error instanceof RecordRefused)) return false
    if (this.isActive && steps <= 1) {
      const input = this.#last
      this.#end()
      if (steps === 0 || input === null) return false
      this.#refused.add(input, error)
      return true
    }
    if (steps === 0) return false
    this.#left = steps * 2
    this.#allowed = Math.max(1, Math.floor(steps / 8))
    return true
  }

  #end(): void {
    this.#allowed = Number.POSITIVE_INFINITY
    this.#last = null
  }
}
