import type { Application } from '../../processor/application/application.ts'
import type { Log, ProducerRecord } from '../../processor/ports.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import { type Header, textHeader } from '../../topology/record.ts'
import {
  baggageHeader,
  bodyHashHeader,
  contentTypeHeader,
  deadlineHeader,
  requestIdHeader,
  traceParentHeader,
  traceStateHeader,
} from '../../topology/swarm/request/headers.ts'
import type { NewRequest } from '../../topology/swarm/request/requests.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { RequestsDuringUpdate } from './requests-during-update.ts'

/** The topics and the application of one gateway. */
export interface GatewayTarget {
  readonly gateway: string
  readonly topic: string
  readonly partitions: number
  readonly application: Application
  readonly ledgerStore: string
  /** The topic from which the ledger learns of accepted requests. */
  readonly acceptedTopic: string
  /** The reason why the swarm accepts no requests now; null while it accepts requests. */
  readonly notReady: () => string | null
  /** The topic for answers, which all processes share; null if the swarm has no such topic. */
  readonly answers: { readonly topic: string; readonly partitions: number } | null
}

export interface RefusalOptions {
  readonly log: Pick<Log, 'load' | 'storage'>
  /** The number of callers that wait for an outcome. */
  readonly waiting: number
  readonly maxPending: number
  readonly duringUpdate: RequestsDuringUpdate
}

/** The gateways of this process by name. Gateways are added and removed with their swarms. */
export class GatewayTargets {
  readonly #targets: Map<string, GatewayTarget>
  /** The gateways of swarms that are not running, with the reason. */
  readonly #closed = new Map<string, string>()
  /** The gateways of paused swarms. Their ledgers still give the outcomes of requests. */
  readonly #resting = new Map<string, GatewayTarget>()
  #names: readonly string[] | null = null

  constructor(targets: readonly GatewayTarget[]) {
    this.#targets = new Map(targets.map((target) => [target.gateway, target]))
  }

  /** The names of all gateways. The list is made again only after a change, because each request asks for it. */
  get names(): readonly string[] {
    this.#names ??= [...new Set([...this.#targets.keys(), ...this.#closed.keys()])]
    return this.#names
  }

  get all(): readonly GatewayTarget[] {
    return [...this.#targets.values()]
  }

  /** The gateways of paused swarms. */
  get resting(): readonly GatewayTarget[] {
    return [...this.#resting.values()]
  }

  /** The reason of a closed gateway whose ledger cannot be asked in this process; null if there is no such gateway. */
  get unknown(): string | null {
    for (const [gateway, reason] of this.#closed) if (!this.#targets.has(gateway) && !this.#resting.has(gateway)) return reason
    return null
  }

  has(gateway: string): boolean {
    return this.#targets.has(gateway) || this.#closed.has(gateway)
  }

  add(targets: readonly GatewayTarget[]): void {
    this.#names = null
    for (const target of targets) {
      this.#targets.set(target.gateway, target)
      this.#closed.delete(target.gateway)
      this.#resting.delete(target.gateway)
    }
  }

  /** Removes these targets. A target whose gateway now belongs to another application stays. */
  remove(targets: readonly GatewayTarget[]): void {
    this.#names = null
    for (const { gateway, application } of targets) if (this.#targets.get(gateway)?.application === application) this.#targets.delete(gateway)
  }

  /** Keeps these targets of a paused swarm, for questions about its requests. */
  rest(targets: readonly GatewayTarget[]): void {
    for (const target of targets) if (!this.#targets.has(target.gateway)) this.#resting.set(target.gateway, target)
  }

  /** Refuses requests to these gateways with a reason. If `reason` is null, ends the refusal. */
  close(gateways: readonly string[], reason: string | null): void {
    this.#names = null
    for (const gateway of gateways) {
      if (reason !== null) this.#closed.set(gateway, reason)
      else {
        this.#closed.delete(gateway)
        this.#resting.delete(gateway)
      }
    }
  }

  of(gateway: string): GatewayTarget {
    const target = this.#targets.get(gateway)
    if (target !== undefined) return target
    const closed = this.#closed.get(gateway)
    if (closed !== undefined) throw new WaggleError('WAGGLE_OVERLOADED', { message: closed, next: 'Send the request again later.' })
    throw new WaggleError('WAGGLE_UNKNOWN_GATEWAY', { message: `There is no gateway ${gateway}`, next: `Use one of: ${this.names.join(', ')}.` })
  }

  /** The reason why a gateway accepts no requests now; null while it accepts requests. */
  refusal(
    gateway: string,
    { log, waiting, maxPending, duringUpdate }: RefusalOptions,
  ): { readonly reason: string; readonly retryAfterSeconds: number } | null {
    const closed = this.#closed.get(gateway)
    if (closed !== undefined) return { reason: closed, retryAfterSeconds: 5 }
    const target = this.#targets.get(gateway)
    const notReady = duringUpdate.isHeld(gateway) ? null : (target?.notReady() ?? null)
    if (notReady !== null) return { reason: `The swarm is not ready: ${notReady}`, retryAfterSeconds: 2 }
    const { load, storage } = log
    if (load.pendingBytes >= load.maxPendingBytes) return { reason: 'The log has more to write than its bound allows', retryAfterSeconds: 1 }
    if (storage !== undefined && storage.refusal !== null) return { reason: storage.refusal, retryAfterSeconds: 30 }
    if (duringUpdate.hasPlaces(gateway)) return duringUpdate.refusal === null ? null : { reason: duringUpdate.refusal, retryAfterSeconds: 2 }
    const all = waiting - duringUpdate.sent
    if (all >= maxPending) return { reason: `${all} requests are waiting for an answer`, retryAfterSeconds: 1 }
    return null
  }
}

/** The record of a request for its gateway's topic. */
export function gatewayRecord(
  target: GatewayTarget,
  request: NewRequest,
  options: { readonly now: number; readonly headers?: readonly Header[] },
): ProducerRecord {
  const { id, contentType, bodyHash, deadline, traceparent, tracestate, baggage, body } = request
  const headers: Header[] = [textHeader(contentTypeHeader, contentType), textHeader(requestIdHeader, id)]
  // A request with a new id has no hash. An empty hash would travel with each record of the request.
  if (bodyHash !== '') headers.push(textHeader(bodyHashHeader, bodyHash))
  if (deadline !== null) headers.push(textHeader(deadlineHeader, String(deadline)))
  if (traceparent !== null) headers.push(textHeader(traceParentHeader, traceparent))
  if (tracestate !== undefined) headers.push(textHeader(traceStateHeader, tracestate))
  if (baggage !== undefined) headers.push(textHeader(baggageHeader, baggage))
  return {
    ...destinationOf(target, id),
    value: body,
    headers:
      request.headers === undefined && options.headers === undefined ? headers : [...(request.headers ?? []), ...headers, ...(options.headers ?? [])],
    timestamp: options.now,
  }
}

/** The key and the partition of a request's records. All records of one request have the same key and partition, so they arrive in order. */
export function destinationOf({ topic, partitions }: GatewayTarget, id: string): Pick<ProducerRecord, 'topic' | 'partition' | 'key'> {
  const key = Buffer.from(id)
  return { topic, partition: partitionForKey(key, partitions), key }
}
