import type { HandingSerde } from '../../topology/serde.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { Requests } from '../../topology/swarm/request/requests.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { GatewayTarget } from './gateway-targets.ts'

/** A topic to which the swarm writes outcomes. */
export interface OutcomeTopic {
  readonly topic: string
  readonly partitions: number
  /** The serde that writes the topic. */
  readonly payloads: HandingSerde<Payload>
}

/** The gateways of one swarm, and the topics of its outcomes. */
export interface SwarmEntrance {
  readonly targets: readonly GatewayTarget[]
  readonly outcomes: readonly OutcomeTopic[]
}

/** The requests of a process in which swarms start and stop. */
export interface SwarmRequests extends Requests {
  start(): Promise<void>
  close(): Promise<void>
  /** Fails all waiting callers. */
  stopWaiting(): void
  /** Adds a swarm, and settles when every later outcome of the swarm will be delivered. Its gateways replace gateways of the same names. */
  add(entrance: SwarmEntrance): Promise<void>
  /** Removes a swarm. The parameter must be the object that `add` got. */
  remove(entrance: SwarmEntrance): Promise<void>
  /** Refuses new requests to these gateways with a reason. If `reason` is null, ends the refusal. */
  shut(gateways: readonly string[], reason: string | null): void
  /** Keeps the entrance of a swarm that was paused, and removed by that, for questions about its requests. */
  rest(entrance: SwarmEntrance): void
  /** Fails all waiting callers of these gateways. */
  failWaiting(gateways: readonly string[], reason: string): void
  /** Makes new requests to these gateways wait until the returned function is called. Callers notice nothing but the wait. */
  hold(gateways: readonly string[]): () => void
}

export function swarmStopped(reason: string): WaggleError {
  return new WaggleError('WAGGLE_STOPPING', {
    message: reason,
    next: 'An accepted request goes on if the swarm runs again. Ask for it later.',
  })
}

/** The error for a question about a request that a swarm may have which does not run. */
export function cannotTell(reason: string): WaggleError {
  return new WaggleError('WAGGLE_STARTING', {
    message: `${reason}, so nobody can say now whether there is such a request`,
    next: 'Ask again when all swarms run.',
  })
}
