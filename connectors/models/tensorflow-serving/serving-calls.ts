import type { Clock } from '../../../processor/ports.ts'
import { pause } from '../../system/pause.ts'
import type { CallLimit } from './serving-client.ts'
import { ServingFailure } from './serving-failure.ts'

export interface ServingCallsOptions {
  readonly clock: Clock
  /** While a server is unreachable: the time, counted from the beginning of the outage, for which calls wait for the server, in ms. */
  readonly patienceMs: number
}

/**
 * Makes calls to one server, and repeats a call if the repetition does no harm:
 *
 * - A call that the server has not accepted waits and is made again, until `patienceMs` have passed since the beginning of the outage. Later calls of
 *   the same outage are made once, so during a long outage each request costs only one attempt.
 * - A call whose connection broke off is made once more. A server that restarts breaks off all its connections, and a second prediction does no harm:
 *   it changes nothing and gives the same result. The call is not made a third time, because the call itself may crash the server.
 * - Any other failure is final. A call that is late is not made again, because the server may still compute it.
 */
export class ServingCalls {
  readonly #options: ServingCallsOptions
  #awaySinceMs: number | null = null

  constructor(options: ServingCallsOptions) {
    this.#options = options
  }

  /** Makes the call, in several attempts if needed. The signal of an attempt also aborts at the deadline. Throws a ServingFailure. */
  async call<T>(attempt: (limit: CallLimit) => Promise<T>, limit: CallLimit): Promise<T> {
    const { signal, deadline } = limit
    if (deadline === null) return this.#call(attempt, limit)
    const { clock } = this.#options
    const late = new AbortController()
    const cancel = clock.after(Math.max(0, deadline - clock.now()), () => late.abort())
    try {
      return await this.#call(attempt, { ...limit, signal: AbortSignal.any([signal, late.signal]) })
    } finally {
      cancel()
    }
  }

  async #call<T>(attempt: (limit: CallLimit) => Promise<T>, limit: CallLimit): Promise<T> {
    const { signal, deadline } = limit
    const { clock, patienceMs } = this.#options
    let pauseMs = firstPauseMs
    let mayRepeat = true
    for (;;) {
      if (signal.aborted || (deadline !== null && clock.now() >= deadline)) throw new ServingFailure('late', 'gave no answer in time')
      try {
        const result = await attempt(limit)
        this.#awaySinceMs = null
        return result
      } catch (thrown) {
        if (!(thrown instanceof ServingFailure)) throw thrown
        if (thrown.kind === 'away') {
          this.#awaySinceMs ??= clock.elapsedMs()
          if (clock.elapsedMs() + pauseMs - this.#awaySinceMs > patienceMs) throw thrown
        } else if (thrown.kind === 'broken' && mayRepeat) mayRepeat = false
        else throw thrown
        // If the signal aborts the pause, the next pass of the loop throws.
        await pause(clock, pauseMs, signal).catch(() => {})
        pauseMs = Math.min(longestPauseMs, pauseMs * 2)
      }
    }
  }
}

const firstPauseMs = 50
const longestPauseMs = 1000
