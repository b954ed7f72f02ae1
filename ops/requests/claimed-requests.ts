import type { Clock } from '../../processor/ports.ts'
import { claimType, encodeClaim } from '../../topology/swarm/payload/claim-codec.ts'
import type { Claims } from '../../topology/swarm/ports/claims.ts'
import type { Durable } from '../../topology/swarm/request/durable.ts'
import type { Accepted, FoundRequest, NewRequest, RequestOutcome, Requests } from '../../topology/swarm/request/requests.ts'
import { longestWaitMs, storeTooSlow } from './claim-wait.ts'

/**
 * Requests whose large inputs are in a claim store. A gateway puts an input there before it writes the record, so a claim in the log always has its
 * object. The hash that recognises a repeated idempotency key is the hash of the body, and not the hash of the claim. A large answer stays a claim,
 * which `ClaimedAnswers` fetches when the gateway writes the response.
 */
export class ClaimedRequests implements Requests {
  readonly #requests: Requests
  readonly #claims: Claims
  readonly #clock: Clock

  constructor(requests: Requests, { claims, clock }: { readonly claims: Claims; readonly clock: Clock }) {
    this.#requests = requests
    this.#claims = claims
    this.#clock = clock
  }

  get gateways(): readonly string[] {
    return this.#requests.gateways
  }

  refusal(gateway: string): ReturnType<Requests['refusal']> {
    return this.#requests.refusal(gateway)
  }

  hasHeldPlaces(gateway: string): boolean {
    return this.#requests.hasHeldPlaces?.(gateway) ?? false
  }

  async submit(request: NewRequest): Promise<Durable<Accepted>> {
    return this.#isLarge(request) ? this.#claimed(request, (claimed) => this.#requests.submit(claimed)) : this.#requests.submit(request)
  }

  async request(request: NewRequest): Promise<Durable<RequestOutcome>> {
    const send = (made: NewRequest) => this.#requests.request(made)
    return this.#isLarge(request) ? this.#claimed(request, send) : send(request)
  }

  find(id: string): Promise<Durable<FoundRequest> | null> {
    return this.#requests.find(id)
  }

  #isLarge({ body }: NewRequest): boolean {
    return body.length > this.#claims.maxInlineBytes
  }

  /**
   * Puts the body of a request into the store, and sends the request with the claim. The object is deleted again if the request was refused or was known
   * already, so that no record names it. If it is unknown whether the record was written, the object stays.
   */
  async #claimed<T>(request: NewRequest, send: (request: NewRequest) => Promise<T>): Promise<T> {
    const refusal = this.#claims.refusal(request.body.length)
    if (refusal !== null) throw refusal
    const claim = await this.#within((signal) => this.#claims.put(request.body, request.contentType, signal))
    let isSent = false
    const onSend = () => {
      isSent = true
    }
    try {
      return await send({ ...request, body: encodeClaim(claim), contentType: claimType, onSend })
    } finally {
      // The caller does not wait for the deletion. An object that cannot be deleted now is deleted when its retention is over.
      if (!isSent) this.#within((signal) => this.#claims.remove(claim, signal)).catch(() => {})
    }
  }

  async #within<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const aborting = new AbortController()
    const cancel = this.#clock.after(longestWaitMs, () => aborting.abort(storeTooSlow()))
    try {
      return await act(aborting.signal)
    } finally {
      cancel()
    }
  }
}
