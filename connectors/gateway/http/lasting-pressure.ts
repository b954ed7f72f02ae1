import type { Clock } from '../../../processor/ports.ts'

/**
 * Tells a process that has had too much to do for a while from a process that was blocked once. After a single block the process is free again, so a
 * refusal of the requests that come then would help nobody.
 */
export class LastingPressure {
  readonly #clock: Pick<Clock, 'elapsedMs'>
  #sinceMs = 0
  #lastMs = Number.NEGATIVE_INFINITY

  constructor(clock: Pick<Clock, 'elapsedMs'>) {
    this.#clock = clock
  }

  /** Called for each request under pressure. True if the pressure has lasted for longer than a single block of the event loop shows. */
  sees(): boolean {
    const nowMs = this.#clock.elapsedMs()
    if (nowMs - this.#lastMs > longestGapMs) this.#sinceMs = nowMs
    this.#lastMs = nowMs
    return nowMs - this.#sinceMs >= lastingMs
  }
}

/** Requests of one overload arrive at most this far apart. */
const longestGapMs = 5000

/** The samples of the event loop are a second apart. So a single block is seen for a second, and a little longer on a busy machine. */
const lastingMs = 2500
