import type { Clock } from '../../processor/ports.ts'
import type { Durable } from '../../topology/swarm/request/durable.ts'
import type { NewRequest, RequestEntry, RequestOutcome } from '../../topology/swarm/request/requests.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/**
 * The requests that this process has sent and that have no outcome yet, with their waiting callers. The ledger decides the outcome of a request.
 * Several callers may wait for the same request, each with its own deadline.
 */
export class PendingRequests {
  readonly #clock: Clock
  readonly #pending = new Map<string, Pending>()
  #waiting = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The number of callers that wait for an outcome. */
  get waiting(): number {
    return this.#waiting
  }

  /** The number of requests to these gateways that have no outcome yet. */
  countOf(gateways: readonly string[]): number {
    let count = 0
    for (const { entry } of this.#pending.values()) if (gateways.includes(entry.gateway)) count++
    return count
  }

  get(id: string): RequestEntry | null {
    return this.#pending.get(id)?.entry ?? null
  }

  has(id: string): boolean {
    return this.#pending.has(id)
  }

  isWaitedFor(id: string): boolean {
    return (this.#pending.get(id)?.waiters.size ?? 0) > 0
  }

  /** Settles when the input of a request from this process is durable. Rejects if the input cannot be written. */
  written(id: string): Promise<unknown> {
    return this.#pending.get(id)?.written ?? Promise.resolve()
  }

  /**
   * Remembers a request, and then calls `send`, whose promise settles when the input is durable. The request is remembered first, because the outcome
   * may arrive before the promise settles.
   */
  remember({ id, gateway, deadline, bodyHash }: NewRequest, send: () => Promise<unknown>): Promise<unknown> {
    const acceptedAt = this.#clock.now()
    const pending = new Pending({ state: 'pending', gateway, acceptedAt, settledAt: null, deadline, bodyHash, answer: null, replies: [] })
    this.#pending.set(id, pending)
    if (this.#pending.size > maxRemembered) this.#forgetOldest()
    pending.written = send()
    pending.written.catch((error: unknown) => {
      if (this.#pending.get(id) === pending) this.#pending.delete(id)
      pending.fail(error)
    })
    return pending.written
  }

  /**
   * The outcome for the caller that set the deadline of the request. The caller waits a moment longer than the deadline, because the ledger then
   * stores a 504 with more details than the error of this process.
   */
  ownOutcomeOf(request: NewRequest): Promise<Durable<RequestOutcome>> {
    return this.#outcomeOf(request, storedDeadlineMs)
  }

  /** The outcome for any other caller: a caller that retries, or a caller that asks about a request of another process. */
  outcomeOf(request: NewRequest): Promise<Durable<RequestOutcome>> {
    return this.#outcomeOf(request, 0)
  }

  settle(outcome: Durable<RequestOutcome>): void {
    const pending = this.#pending.get(outcome.id)
    this.#pending.delete(outcome.id)
    pending?.settle(outcome)
  }

  /** Fails all callers, because this process gets no more outcomes. */
  failAll(error: unknown): void {
    for (const pending of this.#pending.values()) pending.fail(error)
    this.#pending.clear()
  }

  /** Fails the callers of these gateways, whose swarm has stopped. */
  failOf(gateways: readonly string[], error: unknown): void {
    for (const [id, pending] of this.#pending) {
      if (!gateways.includes(pending.entry.gateway)) continue
      pending.fail(error)
      this.#pending.delete(id)
    }
  }

  #outcomeOf(request: NewRequest, graceMs: number): Promise<Durable<RequestOutcome>> {
    const { id, deadline } = request
    if (!this.#pending.has(id)) void this.remember(request, () => Promise.resolve())
    const pending = this.#pending.get(id)
    if (pending === undefined) return Promise.reject(stopping())
    this.#waiting++
    return new Promise((resolve, reject) => {
      let cancel: (() => void) | null = null
      const waiter: Waiter = {
        resolve: (outcome) => {
          leave()
          resolve(outcome)
        },
        reject: (error) => {
          leave()
          reject(error)
        },
      }
      const leave = () => {
        if (!pending.waiters.delete(waiter)) return
        this.#waiting--
        cancel?.()
      }
      pending.waiters.add(waiter)
      if (deadline !== null) cancel = this.#clock.after(deadline + graceMs - this.#clock.now(), () => waiter.reject(noOutcome(id)))
    })
  }

  /** Forgets the oldest request without a waiting caller. The ledger already has this request. */
  #forgetOldest(): void {
    for (const [id, { waiters }] of this.#pending) {
      if (waiters.size > 0) continue
      this.#pending.delete(id)
      return
    }
  }
}

export function stopping(): WaggleError {
  return new WaggleError('WAGGLE_STOPPING', {
    message: 'Waggle is stopping',
    next: 'Send the request again in a moment. Accepted requests go on after the restart.',
  })
}

/** Throws WAGGLE_KEY_REUSED if a request and the known request with the same id have different bodies. */
export function refuseOtherBody(known: { readonly bodyHash: string }, request: NewRequest): void {
  if (!isOtherBody(known, request)) return
  throw new WaggleError('WAGGLE_KEY_REUSED', {
    message: 'This idempotency key came before, with another body',
    next: 'Use a new Idempotency-Key for a new request, or send the very same body again.',
  })
}

export function isOtherBody(known: { readonly bodyHash: string }, request: NewRequest): boolean {
  return known.bodyHash !== '' && known.bodyHash !== request.bodyHash
}

function noOutcome(id: string): WaggleError {
  return new WaggleError('WAGGLE_NO_OUTCOME', {
    message: 'The deadline of this call passed before the request had an outcome. The request goes on',
    next: `Ask for the outcome later: GET /v1/requests/${id}.`,
  })
}

/** A request that has no outcome yet. */
class Pending {
  readonly entry: RequestEntry
  readonly waiters = new Set<Waiter>()
  written: Promise<unknown> = Promise.resolve()

  constructor(entry: RequestEntry) {
    this.entry = entry
  }

  settle(outcome: Durable<RequestOutcome>): void {
    for (const { resolve } of this.waiters) resolve(outcome)
  }

  fail(error: unknown): void {
    for (const { reject } of this.waiters) reject(error)
  }
}

interface Waiter {
  resolve(outcome: Durable<RequestOutcome>): void
  reject(error: unknown): void
}

const maxRemembered = 100_000
/** The extra wait, in ms, for the 504 from the ledger. The ledger needs a timer, a commit and a sync to store it. */
const storedDeadlineMs = 500
