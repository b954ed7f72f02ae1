import { WaggleError } from '../../topology/waggle-error.ts'
import type { Clock } from '../ports.ts'

/**
 * The time limits of the calls of one step. All limits have the same length, so calls end in the order in which they began, and one timer for the
 * oldest call is enough.
 */
export class CallTimeouts {
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #open = new Set<CallTimeout>()
  #cancelTimer: (() => void) | null = null

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  /** Begins the limit of a call. `onLate` is called with the error of a call that has no result after `timeoutMs`. */
  begin(onLate: (late: WaggleError) => void): CallTimeout {
    const limit = new CallTimeout(this.#clock.elapsedMs() + this.#timeoutMs, onLate)
    this.#open.add(limit)
    if (this.#cancelTimer === null) this.#setTimer(this.#timeoutMs)
    return limit
  }

  /** Ends the limit of a call that has a result. A timer that keeps running would keep the process alive. */
  end(limit: CallTimeout): void {
    this.#open.delete(limit)
    if (this.#open.size === 0) this.#stopTimer()
  }

  /** Ends all limits, and aborts their calls. */
  abortAll(reason: WaggleError): void {
    this.#stopTimer()
    const open = [...this.#open]
    this.#open.clear()
    for (const limit of open) limit.abort(reason)
  }

  #setTimer(ms: number): void {
    this.#cancelTimer = this.#clock.after(ms, () => this.#due())
  }

  #stopTimer(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = null
  }

  #due(): void {
    this.#cancelTimer = null
    for (const limit of this.#open) {
      const leftMs = limit.dueMs - this.#clock.elapsedMs()
      // A timer may fire a fraction of a millisecond early.
      if (leftMs >= 1) {
        this.#setTimer(leftMs)
        return
      }
      this.#open.delete(limit)
      limit.pass(tooLate(this.#timeoutMs))
    }
  }
}

/** The time limit of one call, and the signal that aborts the call. Most workers never read the signal, so the first read of `signal` creates it. */
export class CallTimeout {
  /** The end of the limit, in milliseconds of `Clock.elapsedMs`. */
  readonly dueMs: number
  readonly #onLate: (late: WaggleError) => void
  #controller: AbortController | null = null
  #reason: WaggleError | null = null

  constructor(dueMs: number, onLate: (late: WaggleError) => void) {
    this.dueMs = dueMs
    this.#onLate = onLate
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason !== null) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  abort(reason: WaggleError): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }

  /** Reports a call that has no result in time, and aborts it. */
  pass(late: WaggleError): void {
    this.#onLate(late)
    this.abort(late)
  }
}

function tooLate(timeoutMs: number): WaggleError {
  return new WaggleError('WAGGLE_TIMEOUT', {
    message: `No result within ${timeoutMs} ms`,
    next: 'Raise timeout_seconds, or find out what the step waits for.',
  })
}
