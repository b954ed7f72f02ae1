import type { Clock } from '../../processor/ports.ts'
import { claimType, encodeClaim } from '../../topology/swarm/payload/claim-codec.ts'
import { claimedBytes, withoutClaims } from '../../topology/swarm/payload/claimed-payload.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { Claims } from '../../topology/swarm/ports/claims.ts'
import { errorPayload } from '../../topology/swarm/request/bee-error.ts'
import { type Durable, readBack } from '../../topology/swarm/request/durable.ts'
import type { Accepted, FoundRequest, NewRequest, RequestOutcome, Requests } from '../../topology/swarm/request/requests.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/**
 * Requests whose large inputs and answers are in a claim store. A gateway puts an input there before it writes the record, so a claim in the log
 * always has its object. The hash that recognises a repeated idempotency key is the hash of the body, and not the hash of the claim.
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

  async submit(request: NewRequest): Promise<Durable<Accepted>> {
    return this.#isLarge(request) ? this.#claimed(request, (claimed) => this.#requests.submit(claimed)) : this.#requests.submit(request)
  }

  async request(request: NewRequest): Promise<Durable<RequestOutcome>> {
    const send = (made: NewRequest) => this.#requests.request(made)
    const outcome = await (this.#isLarge(request) ? this.#claimed(request, send) : send(request))
    if (claimedBytes(outcome.answer) === 0) return outcome
    const answer = await this.#whole(outcome.answer, request.id)
    return readBack({ ...outcome, answer, state: answer.kind === 'error' ? 'failed' : outcome.state })
  }

  async find(id: string): Promise<Durable<FoundRequest> | null> {
    const found = await this.#requests.find(id)
    if (found === null || found.answer === null || claimedBytes(found.answer) === 0) return found
    const answer = await this.#whole(found.answer, id)
    return readBack({ ...found, answer, state: answer.kind === 'error' ? 'failed' : found.state })
  }

  #isLarge({ body }: NewRequest): boolean {
    return body.length > this.#claims.maxInlineBytes
  }

  /**
   * Puts the body of a request into the store, and sends the request with the claim. The object is deleted again if the request was refused or was known
   * already, so that no record names it. If it is unknown whether the record was written, the object stays.
   */
  async #claimed<T>(request: NewRequest, send: (request: NewRequest) => Promise<T>): Promise<T> {
    const claim = await this.#within((signal) => this.#claims.put(request.body, request.contentType, signal))
    let isSent = false
    const onSend = () => {
      isSent = true
    }
    try {
      return await send({ ...request, body: encodeClaim(claim), contentType: claimType, onSend })
    } finally {
      // The caller does not wait for it. An object that cannot be deleted now is deleted when its time is over.
      if (!isSent) this.#within((signal) => this.#claims.remove(claim, signal)).catch(() => {})
    }
  }

  /** The whole answer. An answer whose object is missing or altered is an error, which is not stored: the object may come back. */
  async #whole(answer: Payload, id: string): Promise<Payload> {
    try {
      return await this.#within((signal) => this.#fetched(answer, signal))
    } catch (thrown) {
      if (thrown instanceof WaggleError && thrown.code === 'WAGGLE_CLAIM_STORE_AWAY') throw answerAway(id, thrown)
      if (!(thrown instanceof WaggleError) || !isLost.has(thrown.code)) throw thrown
      return errorPayload({ code: thrown.code, detail: `${thrown.message}. ${thrown.next}`, bee: '' })
    }
  }

  async #fetched(answer: Payload, signal: AbortSignal): Promise<Payload> {
    const giveBack = await this.#claims.room(claimedBytes(answer), signal)
    try {
      return await withoutClaims(answer, (claim) => this.#claims.fetch(claim, signal))
    } finally {
      giveBack()
    }
  }

  async #within<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const aborting = new AbortController()
    const cancel = this.#clock.after(longestWaitMs, () => aborting.abort(tooSlow()))
    try {
      return await act(aborting.signal)
    } finally {
      cancel()
    }
  }
}

function tooSlow(): WaggleError {
  return new WaggleError('WAGGLE_CLAIM_STORE_AWAY', {
    message: `The claim store did not take or give a payload within ${longestWaitMs / 1000} s`,
    next: 'Send the request again in a moment, and see that the store runs.',
  })
}

/** The error for a caller whose request already has an answer. Its advice differs from the advice for a request that was not accepted. */
function answerAway(id: string, cause: WaggleError): WaggleError {
  return new WaggleError('WAGGLE_CLAIM_STORE_AWAY', {
    message: `Request ${id} is done, and its answer could not be fetched: ${cause.message}`,
    next: `Ask for the answer again in a moment: GET /v1/requests/${id}. Do not send the request again, because it would be computed twice.`,
    cause,
  })
}

/** The errors that another attempt would get too. */
const isLost: ReadonlySet<string> = new Set(['WAGGLE_CLAIM_MISSING', 'WAGGLE_CLAIM_ALTERED', 'WAGGLE_CLAIM_STORE'])
const longestWaitMs = 20_000
