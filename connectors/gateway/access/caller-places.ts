import { ProblemError } from '../http/problem.ts'

export interface PlacesOptions {
  /** The number of places of all callers together. */
  readonly max: number
  /** The words for the places in the error, as in `requests are followed`. */
  readonly what: string
}

/**
 * Places that callers hold for a while, such as open streams. A caller gets another place while it holds fewer places than are free. No caller can
 * therefore take all places: a single caller gets half, and two callers get a third each. Without tokens all callers count as one caller, which may
 * have all places. The rule is that of dynamic thresholds in switches (Choudhury and Hahne, 1998).
 */
export class CallerPlaces {
  readonly #options: PlacesOptions
  readonly #of = new Map<string, number>()
  #taken = 0

  constructor(options: PlacesOptions) {
    this.#options = options
  }

  get taken(): number {
    return this.#taken
  }

  /**
   * Takes a place until the returned function is called. Throws a ProblemError: 503 if no place is free, 429 if the caller already holds its share.
   */
  take(caller: string): () => void {
    const { max, what } = this.#options
    const own = this.#of.get(caller) ?? 0
    if (this.#taken >= max) throw new ProblemError('WAGGLE_OVERLOADED', `${max} ${what}`, retryAfterSeconds)
    if (caller !== '' && own > 0 && own >= max - this.#taken)
      throw new ProblemError('WAGGLE_CALLER_LIMIT', `${own} of this caller’s ${what}, and the free places are for others`, retryAfterSeconds)
    this.#taken++
    this.#of.set(caller, own + 1)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#taken--
      const left = (this.#of.get(caller) ?? 1) - 1
      if (left > 0) this.#of.set(caller, left)
      else this.#of.delete(caller)
    }
  }
}

/** The places of callers that follow requests. Each place costs a connection, and readers for the partitions of the followed request. */
export function placesOfFollowers(): CallerPlaces {
  return new CallerPlaces({ max: maxFollowers, what: 'requests are followed' })
}

const maxFollowers = 256
const retryAfterSeconds = 5
