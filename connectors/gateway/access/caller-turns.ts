import type { Clock } from '../../../processor/ports.ts'
import { ProblemError } from '../http/problem.ts'
import { Places } from './places.ts'

export interface CallerTurnsOptions {
  readonly clock: Pick<Clock, 'now' | 'after'>
  /** The most requests that are at work at once. */
  readonly atWork: number
  /** The most requests that wait for their turn. */
  readonly waiting: number
}

/**
 * Lets the requests of one gateway go to work, at most `atWork` at a time. Callers whose requests wait take turns, whatever their number of requests. So
 * another caller's request waits behind those that are at work, and behind one request of each caller for each place in its own line, and not behind all
 * that another caller has sent.
 */
export class CallerTurns {
  readonly #options: CallerTurnsOptions
  /** The requests that wait, by caller. The first caller is the next one. */
  readonly #lines = new Map<string, Set<Waiting>>()
  readonly #places: Places
  #atWork = 0
  #stopped: ProblemError | null = null

  constructor(options: CallerTurnsOptions) {
    this.#options = options
    this.#places = new Places({ max: options.waiting, what: 'requests wait for their turn' })
  }

  get atWork(): number {
    return this.#atWork
  }

  /**
   * Settles when the request may go to work. The returned function ends its work. A request whose deadline (epoch ms) passes first waits no longer, and
   * takes no place: it has only its outcome to get. Throws a ProblemError: 429 or 503 if too many wait, 503 when the process stops.
   */
  async take(caller: string, deadline: number | null): Promise<() => void> {
    if (this.#stopped !== null) throw this.#stopped
    if (this.#atWork < this.#options.atWork) return this.#begin()
    const leave = this.#places.take(caller)
    const turn = Promise.withResolvers<() => void>()
    const waiting: Waiting = { turn, cancel: () => {} }
    const line = this.#lines.get(caller) ?? new Set()
    this.#lines.set(caller, line.add(waiting))
    if (deadline !== null)
      waiting.cancel = this.#options.clock.after(Math.max(0, deadline - this.#options.clock.now()), () => {
        line.delete(waiting)
        if (line.size === 0 && this.#lines.get(caller) === line) this.#lines.delete(caller)
        turn.resolve(() => {})
      })
    try {
      return await turn.promise
    } finally {
      waiting.cancel()
      leave()
    }
  }

  /** Refuses all requests that wait, and all that come. */
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

  /** Gives a free place to the first caller in turn, which is then the last one. */
  #next(): void {
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
  readonly turn: PromiseWithResolvers<() => void>
  cancel: () => void
}
