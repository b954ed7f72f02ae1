import type { OperatorContext } from '../operator-context.ts'

/** The stream time of one step: the highest time that it has seen itself. A restart does not turn it back. */
export class NodeTime {
  readonly #context: OperatorContext
  readonly #note: string
  #now: number

  /** `name` tells it apart from others of the task. */
  constructor(context: OperatorContext, name: string) {
    this.#context = context
    this.#note = `${name} time`
    this.#now = context.noted(this.#note) ?? -1
  }

  get now(): number {
    return this.#now
  }

  advance(timestamp: number): void {
    if (timestamp <= this.#now) return
    this.#now = timestamp
    this.#context.note(this.#note, timestamp)
  }
}
