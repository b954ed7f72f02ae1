import type { Clock } from '../../processor/ports.ts'
import type { Tracing } from '../../topology/swarm/ports/tracing.ts'
import type { NewRequest, Requests } from '../../topology/swarm/request/requests.ts'
import type { Caller } from './access/caller.ts'
import { type CallerLimits, highestPriority } from './access/caller-limits.ts'
import { ProblemError } from './http/problem.ts'
import { bodyHashOf, type RequestIdentity } from './request-identity.ts'
import type { TracedArrival } from './traced-arrival.ts'

export interface IntakeOptions {
  readonly requests: Requests
  readonly identity: RequestIdentity
  readonly clock: Clock
  /** The deadline of a request whose caller waits and names none. */
  readonly requestTimeoutMs: number
  /** Undefined: callers have no limits. */
  readonly limits?: CallerLimits
  /** Records spans of requests. Undefined: nothing is recorded. */
  readonly tracing?: Tracing
}

export interface Arrival {
  readonly gateway: string
  readonly caller: Caller
  /** `X-Priority` as it came; undefined without one. */
  readonly priority: string | readonly string[] | undefined
  /** True if the caller waits for the answer. */
  readonly waits: boolean
  /** True for a request in the place of another one of this caller that has ended. It is not refused for want of a place. */
  readonly hasPlace?: boolean
}

/** The id of a request. `isKeyed`: it comes from an idempotency key, so an earlier request may have it. */
export interface RequestIdentification {
  readonly id: string
  readonly isKeyed: boolean
  /** The caller that the request belongs to. */
  readonly owner: string
}

export interface ArrivedInput {
  readonly gateway: string
  readonly identification: RequestIdentification
  readonly bytes: Uint8Array
  readonly contentType: string
  /** The caller's own deadline from now, in ms; null: the usual one. */
  readonly timeoutMs: number | null
  readonly waits: boolean
  readonly arrival: TracedArrival
}

/**
 * The way in for requests of every protocol: which gateways there are, who has how many requests in flight, which id a request gets, and its
 * deadline. HTTP and gRPC have no such rules of their own.
 */
export class Intake {
  readonly #options: IntakeOptions

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /**
   * Lets a request in or refuses it, if possible before its input is read. Counts it among the requests of its caller until the returned function is
   * called. Throws a ProblemError: 404, 429 or 503.
   */
  admit({ gateway, caller, priority, waits, hasPlace = false }: Arrival): () => void {
    const { requests, limits } = this.#options
    if (!requests.gateways.includes(gateway))
      throw new ProblemError('WAGGLE_UNKNOWN_GATEWAY', `There is no gateway ${gateway}; there is ${requests.gateways.join(', ') || 'none yet'}`)
    this.#refuseOverload(gateway)
    const asked = Math.min(caller.maxPriority, priorityOf(priority) ?? caller.maxPriority)
    return limits?.admit({ caller: caller.name, gateway, priority: asked, waits, hasPlace }) ?? (() => {})
  }

  /** The id of a request. `fresh`: an id that was made for it already, and that it gets if it belongs to nobody and has no key. */
  identify({
    gateway,
    caller,
    key,
    fresh,
  }: {
    readonly gateway: string
    readonly caller: Caller
    /** The idempotency key; empty or undefined without one. */
    readonly key: string | undefined
    readonly fresh?: string
  }): RequestIdentification {
    const { identity } = this.#options
    const owner = caller.name
    if (key !== undefined && key !== '') return { id: identity.derived(gateway, owner, key), isKeyed: true, owner }
    return { id: owner === '' && fresh !== undefined ? fresh : identity.fresh(owner), isKeyed: false, owner }
  }

  /** The request for the engine, when its input has been read. Throws 503 if the process has filled up meanwhile. */
  request({ gateway, identification: { id, isKeyed, owner }, bytes, contentType, timeoutMs, waits, arrival }: ArrivedInput): NewRequest {
    const { clock, requestTimeoutMs, tracing } = this.#options
    this.#refuseOverload(gateway)
    const ownMs = timeoutMs ?? (waits ? requestTimeoutMs : null)
    return {
      gateway,
      id,
      owner,
      body: bytes,
      contentType,
      deadline: ownMs === null ? null : clock.now() + ownMs,
      // Without an idempotency key the id is new, so there is no other body to compare with.
      bodyHash: isKeyed ? bodyHashOf(bytes, contentType) : '',
      ...arrival.begin(tracing, { gateway, call: waits ? 'request' : 'submit', id }),
    }
  }

  #refuseOverload(gateway: string): void {
    const refusal = this.#options.requests.refusal(gateway)
    if (refusal !== null) throw new ProblemError('WAGGLE_OVERLOADED', refusal.reason, refusal.retryAfterSeconds)
  }
}

export const maxTimeoutSeconds = 86_400

function priorityOf(text: Arrival['priority']): number | null {
  if (text === undefined) return null
  if (typeof text === 'string' && /^[0-9]$/.test(text)) return Number(text)
  throw new ProblemError('WAGGLE_BAD_HEADER', `X-Priority is a digit from 0, which is shed first, to ${highestPriority}`)
}
