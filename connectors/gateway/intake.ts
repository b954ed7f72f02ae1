import type { Clock } from '../../processor/ports.ts'
import type { Tracing } from '../../topology/swarm/ports/tracing.ts'
import type { NewRequest, Requests } from '../../topology/swarm/request/requests.ts'
import type { Caller } from './access/caller.ts'
import { type CallerLimits, highestPriority } from './access/caller-limits.ts'
import { ProblemError } from './http/problem.ts'
import { bodyHashOf, type RequestIds } from './request-ids.ts'
import type { TracedArrival } from './traced-arrival.ts'

export interface IntakeOptions {
  readonly requests: Requests
  readonly requestIds: RequestIds
  readonly clock: Clock
  /** The deadline of a request if its caller waits and sends no deadline. */
  readonly requestTimeoutMs: number
  /** Undefined: callers have no limits. */
  readonly limits?: CallerLimits
  /** Records spans of requests. Undefined: no spans are recorded. */
  readonly tracing?: Tracing
}

export interface Arrival {
  readonly gateway: string
  readonly caller: Caller
  /** The value of `X-Priority` as the caller sent it; undefined if the caller sent none. */
  readonly priority: string | readonly string[] | undefined
  /** True if the caller waits for the answer. */
  readonly waits: boolean
  /** True for a request that takes the place of an ended request of this caller. A lack of free places does not refuse it. */
  readonly hasPlace?: boolean
}

/** The id of a request. `isKeyed`: the id comes from an idempotency key, so an earlier request may have the same id. */
export interface RequestIdentification {
  readonly id: string
  readonly isKeyed: boolean
  /** The caller who owns the request. */
  readonly owner: string
}

export interface ArrivedInput {
  readonly gateway: string
  readonly identification: RequestIdentification
  readonly bytes: Uint8Array
  readonly contentType: string
  /** The caller's deadline from now, in ms; null for the default deadline. */
  readonly timeoutMs: number | null
  readonly waits: boolean
  readonly arrival: TracedArrival
}

/**
 * The admission of requests, the same for every protocol. It knows the gateways, counts the requests in flight of each caller, and gives each request
 * its id and deadline. HTTP and gRPC have no such rules of their own.
 */
export class Intake {
  readonly #options: IntakeOptions

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /**
   * Admits or refuses a request, if possible before its input is read. Counts the request among the caller's requests until the returned function is
   * called. Throws a ProblemError: 404, 429 or 503.
   */
  admit({ gateway, caller, priority, waits, hasPlace = false }: Arrival): () => void {
    const { requests, limits } = this.#options
    if (!requests.gateways.includes(gateway))
      throw new ProblemError('WAGGLE_UNKNOWN_GATEWAY', `There is no gateway ${gateway}; there is ${requests.gateways.join(', ') || 'none yet'}`)
    this.#refuseOverload(gateway)
    const asked = Math.min(caller.maxPriority, priorityOf(priority) ?? caller.maxPriority)
    const isHeld = requests.hasHeldPlaces?.(gateway) ?? false
    return limits?.admit({ caller: caller.name, gateway, priority: asked, waits, hasPlace, isHeld }) ?? (() => {})
  }

  /**
   * The id of a request. `fresh`: an id that was already made for the request. The request gets it if it has no idempotency key and no known caller.
   */
  identify({
    gateway,
    caller,
    key,
    fresh,
  }: {
    readonly gateway: string
    readonly caller: Caller
    /** The idempotency key; empty or undefined if the request has none. */
    readonly key: string | undefined
    readonly fresh?: string
  }): RequestIdentification {
    const { requestIds } = this.#options
    const owner = caller.name
    if (key !== undefined && key !== '') return { id: requestIds.derived(gateway, owner, key), isKeyed: true, owner }
    return { id: owner === '' && fresh !== undefined ? fresh : requestIds.fresh(owner), isKeyed: false, owner }
  }

  /** The request for the engine, made after its input was read. Throws 503 if the process has become full in the meantime. */
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
