import type { Clock } from '../../../processor/ports.ts'
import { ProblemError } from '../http/problem.ts'

export interface CallerLimitsOptions {
  readonly clock: Pick<Clock, 'elapsedMs'>
  readonly limits: Limits
}

export interface Limits {
  /** The most requests a second of one caller at one gateway. A caller may send the requests of one second at once. Null: no limit. */
  readonly ratePerSecond: number | null
  /** The most requests without an answer of one caller at one gateway. Null: no limit. */
  readonly inFlight: number | null
  /** The most requests without an answer of all callers together. */
  readonly allInFlight: number
}

export interface Admission {
  /** The caller's name. Without tokens all callers have the same name. */
  readonly caller: string
  readonly gateway: string
  /** The priority: 0 is the lowest and is refused first; `highestPriority` is the highest. */
  readonly priority: number
  /** True for a request whose caller waits for the answer. A submitted request does not count among the waiting requests. */
  readonly waits: boolean
  /** True for a request that takes the place of a request that has ended. Only the rate limit applies to it. */
  readonly hasPlace?: boolean
  /** True for a request that may wait for another version of its swarm. It takes no place of the process: `Requests` bounds such requests. */
  readonly isHeld?: boolean
}

export const highestPriority = 9

/**
 * Shares the requests that a process may have in flight among its callers. A caller that is alone may have all places. Beside other callers, a caller
 * with more than its share is admitted only while it has fewer requests than twice the free places. A third of the places therefore stays free beside
 * a greedy caller. The fuller the process is, the higher is the lowest admitted priority.
 */
export class CallerLimits {
  readonly #clock: CallerLimitsOptions['clock']
  #limits: Limits
  /** The buckets by gateway and caller. A bucket without requests in flight is deleted once it is full again. */
  readonly #buckets = new Map<string, Bucket>()
  readonly #inFlightOf = new Map<string, number>()
  #inFlight = 0
  /** The last caller, and the last different caller before it. */
  #last: Visit = { caller: '', atMs: Number.NEGATIVE_INFINITY }
  #lastOther: Visit = { caller: '', atMs: Number.NEGATIVE_INFINITY }

  constructor({ clock, limits }: CallerLimitsOptions) {
    this.#clock = clock
    this.#limits = limits
  }

  /** The number of requests without an answer, of all callers. */
  get waiting(): number {
    return this.#inFlight
  }

  /** Sets new limits. Requests in flight continue. */
  replace(limits: Limits): void {
    this.#limits = limits
    for (const [key, { inFlight }] of this.#buckets) if (inFlight === 0) this.#buckets.delete(key)
  }

  /** Counts a request until the returned function is called, once. Throws a ProblemError: 429 at a limit of the caller, 503 if the process is full. */
  admit({ caller, gateway, priority, waits, hasPlace = false, isHeld = false }: Admission): () => void {
    const takesPlace = waits && !isHeld
    const { inFlight, ratePerSecond } = this.#limits
    const own = this.#inFlightOf.get(caller) ?? 0
    if (takesPlace && !hasPlace) {
      this.#visited(caller)
      this.#refuseWhenFull(own, priority)
    }
    const key = `${gateway} ${caller}`
    const bucket = this.#bucketOf(key)
    if (!hasPlace && inFlight !== null && bucket.inFlight >= inFlight)
      throw new ProblemError(
        'WAGGLE_CALLER_LIMIT',
        `${inFlight} requests of this caller to ${gateway} have no answer yet (caller_requests_in_flight)`,
        1,
      )
    if (ratePerSecond !== null) {
      if (bucket.left < 1) {
        const seconds = Math.max(1, Math.ceil((1 - bucket.left) / ratePerSecond))
        throw new ProblemError(
          'WAGGLE_CALLER_LIMIT',
          `This caller may send ${ratePerSecond} requests a second to ${gateway} (caller_rate_per_second)`,
          seconds,
        )
      }
      bucket.left--
    }
    if (hasPlace) return () => {}
    bucket.inFlight++
    if (takesPlace) {
      this.#inFlight++
      this.#inFlightOf.set(caller, own + 1)
    }
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      bucket.inFlight--
      if (takesPlace) {
        this.#inFlight--
        const left = (this.#inFlightOf.get(caller) ?? 1) - 1
        if (left > 0) this.#inFlightOf.set(caller, left)
        else this.#inFlightOf.delete(caller)
      }
      if (bucket.inFlight === 0 && this.#limits.ratePerSecond === null && this.#buckets.get(key) === bucket) this.#buckets.delete(key)
    }
  }

  #refuseWhenFull(own: number, priority: number): void {
    const { allInFlight } = this.#limits
    // Priority 0 may fill 55 % of the process, and 9 all of it.
    const mine = Math.max(1, Math.floor(allInFlight * (0.5 + 0.05 * (priority + 1))))
    if (this.#inFlight >= mine)
      throw new ProblemError('WAGGLE_OVERLOADED', `${this.#inFlight} requests have no answer yet; priority ${priority} gets in below ${mine}`, 1)
    // A caller that was refused a moment ago still counts as present, although it has no request in flight.
    const isAlone = this.#clock.elapsedMs() - this.#lastOther.atMs > stillThereMs
    const callers = Math.max(this.#inFlightOf.size + (own === 0 ? 1 : 0), isAlone ? 1 : 2)
    const free = allInFlight - this.#inFlight
    if (callers > 1 && own >= allInFlight / callers && own >= sharePerFree * free)
      throw new ProblemError(
        'WAGGLE_CALLER_LIMIT',
        `This caller has its share of this process, ${own} requests without an answer, and ${free} places are left for others`,
        1,
      )
  }

  #visited(caller: string): void {
    if (caller !== this.#last.caller) this.#lastOther = this.#last
    this.#last = { caller, atMs: this.#clock.elapsedMs() }
  }

  #bucketOf(key: string): Bucket {
    const { ratePerSecond } = this.#limits
    const nowMs = this.#clock.elapsedMs()
    const capacity = ratePerSecond ?? 1
    const known = this.#buckets.get(key)
    if (known !== undefined) {
      known.left = Math.min(capacity, known.left + ((nowMs - known.filledAtMs) / 1000) * capacity)
      known.filledAtMs = nowMs
      return known
    }
    if (this.#buckets.size >= maxBuckets) this.#dropFull(nowMs)
    const bucket = { left: capacity, filledAtMs: nowMs, inFlight: 0 }
    this.#buckets.set(key, bucket)
    return bucket
  }

  /** Deletes buckets that nobody has used for a second. They are full again, and a new bucket is full too. */
  #dropFull(nowMs: number): void {
    for (const [key, { inFlight, filledAtMs }] of this.#buckets) if (inFlight === 0 && nowMs - filledAtMs >= 1000) this.#buckets.delete(key)
  }
}

interface Bucket {
  /** The number of requests that may be sent now. */
  left: number
  filledAtMs: number
  inFlight: number
}

interface Visit {
  readonly caller: string
  readonly atMs: number
}

/** A caller with more than its share is admitted while its requests are fewer than this number times the free places. */
const sharePerFree = 2
const stillThereMs = 5000
const maxBuckets = 10_000
