import type { Clock } from '../../processor/ports.ts'
import type { HandingSerde } from '../../topology/serde.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { Durable } from '../../topology/swarm/request/durable.ts'
import type { Accepted, FoundRequest, NewRequest, RequestOutcome, Requests } from '../../topology/swarm/request/requests.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type GatewayTarget, GatewayTargets } from './gateway-targets.ts'
import { PendingRequests, stopping } from './pending-requests.ts'
import { duringUpdatePerPlace, maxBytesDuringUpdate, RequestsDuringUpdate } from './requests-during-update.ts'

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

export interface SwarmRequestsOptions {
  readonly clock: Clock
  readonly targets: readonly GatewayTarget[]
  /** The most requests whose callers wait for an outcome. */
  readonly maxPending: number
}

/**
 * The requests of a process in which swarms start and stop. Each subclass is for one kind of log, and defines where requests are sent and where
 * outcomes are read. The gateways and the waiting callers are the same for every log.
 */
export abstract class SwarmRequests implements Requests {
  protected readonly targets: GatewayTargets
  protected readonly pending: PendingRequests
  protected readonly duringUpdate: RequestsDuringUpdate

  constructor({ clock, targets, maxPending }: SwarmRequestsOptions) {
    this.targets = new GatewayTargets(targets)
    this.pending = new PendingRequests(clock)
    this.duringUpdate = new RequestsDuringUpdate({ clock, maxRequests: duringUpdatePerPlace * maxPending, maxBytes: maxBytesDuringUpdate })
  }

  get gateways(): readonly string[] {
    return this.targets.names
  }

  /** Settles when every later outcome will be delivered. */
  abstract start(): Promise<void>
  abstract close(): Promise<void>
  /** Adds a swarm. Settles when every later outcome of the swarm will be delivered. Its gateways replace gateways of the same names. */
  abstract add(entrance: SwarmEntrance): Promise<void>
  /** Removes a swarm. The parameter must be the object that `add` got. */
  abstract remove(entrance: SwarmEntrance): Promise<void>
  abstract refusal(gateway: string): ReturnType<Requests['refusal']>
  abstract submit(request: NewRequest): Promise<Durable<Accepted>>
  /** Sends a request that does not have to wait for another version of its swarm. */
  protected abstract sendNow(request: NewRequest): Promise<Durable<RequestOutcome>>
  abstract find(id: string): Promise<Durable<FoundRequest> | null>

  hasHeldPlaces(gateway: string): boolean {
    return this.duringUpdate.hasPlaces(gateway)
  }

  request(request: NewRequest): Promise<Durable<RequestOutcome>> {
    return this.duringUpdate.hasPlaces(request.gateway) ? this.duringUpdate.send(request, () => this.sendNow(request)) : this.sendNow(request)
  }

  /** The least time by which this server's clock is behind the clock of another server, in ms; null where no other server shares the log. */
  get clockBehindMs(): number | null {
    return null
  }

  /** Fails all waiting callers with WAGGLE_STOPPING. */
  stopWaiting(): void {
    this.pending.failAll(stopping())
  }

  /** Refuses new requests to these gateways with a reason. If `reason` is null, ends the refusal. */
  shut(gateways: readonly string[], reason: string | null): void {
    this.targets.close(gateways, reason)
  }

  /** Keeps the entrance of a paused and removed swarm, for questions about its requests. */
  rest({ targets }: SwarmEntrance): void {
    this.targets.rest(targets)
  }

  /** Fails all waiting callers of these gateways with WAGGLE_STOPPING. */
  failWaiting(gateways: readonly string[], reason: string): void {
    this.pending.failOf(gateways, swarmStopped(reason))
  }

  /** The number of requests to these gateways that this process has accepted, and whose outcome it does not know yet. */
  inFlight(gateways: readonly string[]): number {
    return this.pending.countOf(gateways)
  }

  /** Makes new requests to these gateways wait until the returned function is called. Callers notice only the wait. */
  hold(gateways: readonly string[]): () => void {
    return this.duringUpdate.hold(gateways)
  }
}

function swarmStopped(reason: string): WaggleError {
  return new WaggleError('WAGGLE_STOPPING', {
    message: reason,
    next: 'An accepted request continues when the swarm runs again. Ask for its outcome later.',
  })
}

/** The error for a question about a request that may belong to a swarm that is not running. */
export function cannotTell(reason: string): WaggleError {
  return new WaggleError('WAGGLE_STARTING', {
    message: `${reason}, so nobody can say now whether there is such a request`,
    next: 'Ask again when all swarms run.',
  })
}
