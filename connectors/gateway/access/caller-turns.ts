import type { Clock } from '../../../processor/ports.ts'
import { ProblemError } from '../http/problem.ts'
import { CallerPlaces } from './caller-places.ts'

export interface CallerTurnsOptions {
  readonly clock: Pick<Clock, 'now' | 'after'>
  /** The most requests that run at the same time. */
  readonly atWork: number
  /** The most requests that wait for their turn. */
  readonly waiting: number
}

/**
 * Starts the requests of one gateway, at most `atWork` at a time. Callers with waiting requests take turns, however many requests each caller has
 * sent. The first waiting request of a caller waits for the running requests, and for at most one request of each other caller. The second waits for
 * one more request of each other caller, and so on.
 */
export class CallerTurns {
  readonly #options: CallerTurnsOptions
  /** The waiting requests, by caller. The first caller of the map has the next turn. */
  readonly #lines = new Map<string, Set<Waiting>>()
  readonly #places: CallerPlaces
  #atWork = 0
  #stopped: ProblemError | null = null

  constructor(options: CallerTurnsOptions) {
    this.#options = options
    this.#places = new CallerPlaces({ max: options.waiting, what: 'requests wait for their turn' })
  }

  get atWork(): number {
    return this.#atWork
  }

  /**
   * Settles when the request may start, with a function that ends the request's turn. Null for a request whose deadline (epoch ms) has passed during
   * the wait: it has no turn, and must not be sent. Throws a ProblemError: 429 or 503 if too many requests wait, 503 when the process stops.
   */
  async take(caller: string, deadline: number | null): Promise<(() => void) | null> {
    if (this.#stopped !== null) throw this.#stopped
    if (this.#atWork < this.#options.atWork) return this.#begin()
    const leave = this.#places.take(caller)
    const turn = Promise.withResolvers<(() => void) | null>()
    const waiting: Waiting = { turn, cancel: () => {} }
    const line = this.#lines.get(caller) ?? new Set()
    this.#lines.set(caller, line.add(waiting))
    if (deadline !== null)
      waiting.cancel = this.#options.clock.after(Math.max(0, deadline - this.#options.clock.now()), () => {
        line.delete(waiting)
        if (line.size === 0 && this.#lines.get(caller) === line) this.#lines.delete(caller)
        turn.resolve(null)
      })
    try {
      return await turn.promise
    } finally {
      waiting.cancel()
      leave()
    }
  }

  /** Refuses all waiting requests and all later requests. */
  stop(): void {
    const stopped = new ProblemError('WAGGLE_STOPPING', 'This process is stopping: send the request again', 1)
    this.#stopped = stopped
    for (const line of this.#lines.values()) for (const { turn } of line) turn.reject(stopped)
    this.#lines.clear()
  }

  #begin(): () => void {
    this.#atWork++
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#atWork--
      this.#next()
    }
  }

  /** Gives a free place to the first caller in turn, and moves this caller to the end of the turns. */
  #next(): void {
    if (this.#lines.size === 0) return
    const [first] = this.#lines
    if (first === undefined || this.#atWork >= this.#options.atWork) return
    const [caller, line] = first
    const [next] = line
    this.#lines.delete(caller)
    if (next === undefined) return
    line.delete(next)
    if (line.size > 0) this.#lines.set(caller, line)
    next.turn.resolve(this.#begin())
  }
}

interface Waiting {
  readonly turn: PromiseWithResolvers<(() => void) | null>
  cancel: () => void
}
