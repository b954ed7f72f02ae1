import type { Clock } from '../../processor/ports.ts'
import type { NewRequest, RequestEntry, RequestOutcome } from '../../topology/swarm/requests.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** Who of this process waits for the outcome of which request. What becomes of a request is the ledger's to say. */
export class PendingRequests {
  readonly #clock: Clock
  readonly #pending = new Map<string, Pending>()
  #waiting = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Requests whose outcome somebody waits for. */
  get waiting(): number {
    return this.#waiting
  }

  get(id: string): RequestEntry | null {
    return this.#pending.get(id)?.entry ?? null
  }

  remember({ id, gateway, deadline, bodyHash }: NewRequest): void {
    if (this.#pending.has(id)) return
    const acceptedAt = this.#clock.now()
    this.#pending.set(id, new Pending({ state: 'pending', gateway, acceptedAt, settledAt: null, deadline, bodyHash, answer: null, replies: [] }))
    if (this.#pending.size > maxRemembered) this.#forgetOldest()
  }

  forget(id: string): void {
    this.#pending.delete(id)
  }

  /** Of a remembered request. `send` begins when it is already waited for. */
  async outcomeOf(request: NewRequest, send: (() => Promise<void>) | null): Promise<RequestOutcome> {
    this.remember(request)
    const pending = this.#pending.get(request.id)
    if (pending === undefined) throw stopping()
    const outcome = pending.outcome
    send?.().catch((error: unknown) => {
      this.#pending.delete(request.id)
      pending.fail(error)
    })
    this.#waiting++
    const cancel = this.#guard(request, pending)
    try {
      return await outcome
    } finally {
      this.#waiting--
      cancel()
    }
  }

  settle(outcome: RequestOutcome): void {
    const pending = this.#pending.get(outcome.id)
    this.#pending.delete(outcome.id)
    pending?.settle(outcome)
  }

  has(id: string): boolean {
    return this.#pending.has(id)
  }

  /** None of them will have an outcome here. */
  failAll(error: unknown): void {
    for (const pending of this.#pending.values()) pending.fail(error)
    this.#pending.clear()
  }

  /** Submitted ones that nobody waits for: the ledger knows them by now. */
  #forgetOldest(): void {
    for (const [id, pending] of this.#pending) {
      if (pending.isWaitedFor) continue
      this.#pending.delete(id)
      return
    }
  }

  /** The ledger settles every request at its deadline. Where the engine itself cannot go on, nobody waits for ever. */
  #guard(request: NewRequest, pending: Pending): () => void {
    if (request.deadline === null) return () => {}
    return this.#clock.after(request.deadline + graceMs - this.#clock.now(), () => {
      pending.fail(
        new WaggleError('WAGGLE_NO_OUTCOME', {
          message: 'The deadline passed and no outcome was stored yet',
          next: `Ask for it later: GET /v1/requests/${request.id}.`,
        }),
      )
      this.#pending.delete(request.id)
    })
  }
}

export function stopping(): WaggleError {
  return new WaggleError('WAGGLE_STOPPING', {
    message: 'Waggle is stopping',
    next: 'Send the request again in a moment; what was accepted goes on after the restart.',
  })
}

/** The same id with another body is an error. */
export function refuseOtherBody(known: { readonly bodyHash: string }, request: NewRequest): void {
  if (known.bodyHash === '' || known.bodyHash === request.bodyHash) return
  throw new WaggleError('WAGGLE_KEY_REUSED', {
    message: 'This idempotency key came before, with another body',
    next: 'Use a new Idempotency-Key for a new request, or send the very same body again.',
  })
}

/** One request whose outcome is to come. */
class Pending {
  readonly entry: RequestEntry
  #waiters: { resolve(outcome: RequestOutcome): void; reject(error: unknown): void }[] = []

  constructor(entry: RequestEntry) {
    this.entry = entry
  }

  get isWaitedFor(): boolean {
    return this.#waiters.length > 0
  }

  get outcome(): Promise<RequestOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
    })
  }

  settle(outcome: RequestOutcome): void {
    for (const { resolve } of this.#waiters.splice(0)) resolve(outcome)
  }

  fail(error: unknown): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error)
  }
}

const maxRemembered = 100_000
const graceMs = 5_000
