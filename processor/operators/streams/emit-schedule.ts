import { type Header, noHeaders } from '../../../topology/record.ts'
import type { OperatorContext } from '../operator-context.ts'

/**
 * Decides when an operator looks for closed windows: with each record, or at most once an interval, because the search costs a scan. With an
 * interval, a timer starts the search too, so that results do not wait for another record.
 */
export class EmitSchedule {
  readonly #context: OperatorContext
  readonly #look: (headers: readonly Header[]) => void
  readonly #intervalMs: number
  #next = 0
  /** True at first, because results may have been due before a restart. */
  #isDue = true

  constructor(context: OperatorContext, look: (headers: readonly Header[]) => void) {
    this.#context = context
    this.#look = look
    this.#intervalMs = context.emitIntervalMs
    if (this.#intervalMs > 0) context.schedule(this.#intervalMs, 'WALL_CLOCK_TIME', () => this.#isDue && this.#emit(noHeaders))
  }

  /** Called after each record, which may have advanced stream time. */
  record({ headers }: { readonly headers: readonly Header[] }): void {
    this.#isDue = true
    if (this.#intervalMs === 0 || this.#context.currentSystemTime >= this.#next) this.#emit(headers)
  }

  #emit(headers: readonly Header[]): void {
    this.#isDue = false
    this.#next = this.#context.currentSystemTime + this.#intervalMs
    this.#look(headers)
  }
}
