import { WaggleError } from '../../topology/waggle-error.ts'
import type { Clock } from '../ports.ts'

/** The time limit of one call, and the signal that aborts the call. Most workers never read the signal, so the first read of `signal` creates it. */
export class CallTimeout {
  readonly #cancelTimer: () => void
  #controller: AbortController | null = null
  #reason: WaggleError | null = null

  /** `onLate` is called with the error of a call that has no result after `timeoutMs`. */
  constructor(clock: Clock, timeoutMs: number, onLate: (late: WaggleError) => void) {
    this.#cancelTimer = clock.after(timeoutMs, () => {
      const late = tooLate(timeoutMs)
      onLate(late)
      this.abort(late)
    })
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason !== null) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  abort(reason: WaggleError): void {
    this.end()
    this.#reason = reason
    this.#controller?.abort(reason)
  }

  /** Ends the limit. A timer that keeps running would keep the process alive. */
  end(): void {
    this.#cancelTimer()
  }
}

function tooLate(timeoutMs: number): WaggleError {
  return new WaggleError('WAGGLE_TIMEOUT', {
    message: `No result within ${timeoutMs} ms`,
    next: 'Raise timeout_seconds, or find out what the step waits for.',
  })
}
