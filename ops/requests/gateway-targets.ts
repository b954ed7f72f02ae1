import type { Application } from '../../processor/application/application.ts'
import { partitionForKey } from '../../processor/partitioner.ts'
import type { Log, ProducerRecord } from '../../processor/ports.ts'
import { type Header, textHeader } from '../../topology/record.ts'
import { bodyHashHeader, contentTypeHeader, deadlineHeader, requestIdHeader, traceParentHeader } from '../../topology/swarm/request/headers.ts'
import type { NewRequest } from '../../topology/swarm/request/requests.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** The topics and the application behind one gateway. */
export interface GatewayTarget {
  readonly gateway: string
  readonly topic: string
  readonly partitions: number
  readonly application: Application
  readonly ledgerStore: string
  /** The topic that tells the ledger about accepted requests. */
  readonly acceptedTopic: string
  /** The reason why the swarm accepts no requests now; null if it does. */
  readonly notReady: () => string | null
  /** The topic for answers, which all processes share; null if the swarm has none. */
  readonly answers: { readonly topic: string; readonly partitions: number } | null
}

/** The gateways of this process by name. */
export class GatewayTargets {
  readonly names: readonly string[]
  readonly #targets: ReadonlyMap<string, GatewayTarget>

  constructor(targets: readonly GatewayTarget[]) {
    this.#targets = new Map(targets.map((target) => [target.gateway, target]))
    this.names = [...this.#targets.keys()]
  }

  get all(): readonly GatewayTarget[] {
    return [...this.#targets.values()]
  }

  of(gateway: string): GatewayTarget {
    const target = this.#targets.get(gateway)
    if (target === undefined)
      throw new WaggleError('WAGGLE_UNKNOWN_GATEWAY', { message: `There is no gateway ${gateway}`, next: `Use one of: ${this.names.join(', ')}.` })
    return target
  }

  /** The reason why a gateway accepts no requests now; null if it does. */
  refusal(
    gateway: string,
    { log, waiting, maxPending }: { readonly log: Pick<Log, 'load' | 'storage'>; readonly waiting: number; readonly maxPending: number },
  ): { readonly reason: string; readonly retryAfterSeconds: number } | null {
    const target = this.#targets.get(gateway)
    const notReady = target?.notReady() ?? null
    if (notReady !== null) return { reason: `The swarm is not ready: ${notReady}`, retryAfterSeconds: 2 }
    const { load, storage } = log
    if (load.pendingBytes >= load.maxPendingBytes) return { reason: 'The log has more to write than its bound allows', retryAfterSeconds: 1 }
    if (storage !== undefined && storage.refusal !== null) return { reason: storage.refusal, retryAfterSeconds: 30 }
    if (waiting >= maxPending) return { reason: `${waiting} requests are waiting for an answer`, retryAfterSeconds: 1 }
    return null
  }
}

/** The record of a request on its gateway's topic. */
export function gatewayRecord(
  target: GatewayTarget,
  request: NewRequest,
  options: { readonly now: number; readonly headers?: readonly Header[] },
): ProducerRecord {
  const { id, contentType, bodyHash, deadline, traceparent, body } = request
  const headers: Header[] = [textHeader(contentTypeHeader, contentType), textHeader(requestIdHeader, id), textHeader(bodyHashHeader, bodyHash)]
  if (deadline !== null) headers.push(textHeader(deadlineHeader, String(deadline)))
  if (traceparent !== null) headers.push(textHeader(traceParentHeader, traceparent))
  return { ...destinationOf(target, id), value: body, headers: [...headers, ...(options.headers ?? [])], timestamp: options.now }
}

/** All records of one request have the same key and partition, so they arrive in order. */
export function destinationOf({ topic, partitions }: GatewayTarget, id: string): Pick<ProducerRecord, 'topic' | 'partition' | 'key'> {
  const key = Buffer.from(id)
  return { topic, partition: partitionForKey(key, partitions), key }
}
