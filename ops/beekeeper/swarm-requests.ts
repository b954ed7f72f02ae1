import { type Clock, DamagedValue, Handed, type Log, type Producer, type Reader } from '../../processor/ports.ts'
import type { HandingSerde } from '../../topology/serde.ts'
import type { Payload } from '../../topology/swarm/payload.ts'
import type { FoundRequest, NewRequest, RequestEntry, RequestOutcome, Requests } from '../../topology/swarm/requests.ts'
import { type GatewayRoute, GatewayRoutes, gatewayRecord } from './gateway-routes.ts'
import { PendingRequests, refuseOtherBody, stopping } from './pending-requests.ts'

/** Topics that outcomes come out of, each with its partitions. */
export interface OutcomeTopic {
  readonly topic: string
  readonly partitions: number
  /** That the topic is written with. */
  readonly payloads: HandingSerde<Payload>
}

export interface SwarmRequestsOptions {
  readonly log: Log
  readonly clock: Clock
  readonly routes: readonly GatewayRoute[]
  readonly outcomes: readonly OutcomeTopic[]
  /** Requests whose outcome is waited for, here or by id; past it a gateway refuses. */
  readonly maxPending: number
}

/**
 * The way in and out of the engine where one process is all there is: appends a request to its gateway's topic and gives the outcome
 * when the commit that holds it is durable. Which outcome a request has is the ledger's to say, whose store is in this process.
 */
export class SwarmRequests implements Requests {
  readonly #options: SwarmRequestsOptions
  readonly #routes: GatewayRoutes
  readonly #pending: PendingRequests
  #producer: Producer | null = null
  readonly #readers: Reader[] = []
  #failure: string | null = null

  constructor(options: SwarmRequestsOptions) {
    this.#options = options
    this.#routes = new GatewayRoutes(options.routes)
    this.#pending = new PendingRequests(options.clock)
  }

  get gateways(): readonly string[] {
    return this.#routes.names
  }

  async start(): Promise<void> {
    const { log, outcomes } = this.#options
    this.#producer = await log.producer()
    for (const { topic, partitions, payloads } of outcomes) {
      for (let partition = 0; partition < partitions; partition++) {
        const reader = log.read({ topic, partition, from: -1 })
        this.#readers.push(reader)
        this.#follow(topic, reader, payloads).catch((error: unknown) => this.#failed(error))
      }
    }
    // An answer that comes before it is decided where reading starts would never be seen.
    await Promise.all(this.#readers.map(({ ready }) => ready))
  }

  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.close()))
    await this.#producer?.close()
    this.#pending.failAll(stopping())
  }

  refusal(gateway: string): { readonly reason: string; readonly retryAfterSeconds: number } | null {
    const { log, maxPending } = this.#options
    if (this.#failure !== null) return { reason: `Answers cannot be read: ${this.#failure}`, retryAfterSeconds: 5 }
    return this.#routes.refusal(gateway, { log, waiting: this.#pending.waiting, maxPending })
  }

  async submit(request: NewRequest): Promise<void> {
    const route = this.#routes.of(request.gateway)
    if (this.#known(route, request) !== null) return
    this.#pending.remember(request)
    try {
      await this.#send(route, request, true)
    } catch (error) {
      this.#pending.forget(request.id)
      throw error
    }
  }

  async request(request: NewRequest): Promise<RequestOutcome> {
    const route = this.#routes.of(request.gateway)
    const known = this.#known(route, request)
    if (known !== null && known !== 'pending') return known
    return this.#pending.outcomeOf(request, known === null ? () => this.#send(route, request, false) : null)
  }

  async find(id: string): Promise<FoundRequest | null> {
    const applications = new Map(this.#options.routes.map((route) => [route.application, route.ledgerStore]))
    for (const [application, store] of applications) {
      const entry = application.stores.committed<string, RequestEntry>(store, id)
      if (entry !== null) return entry
    }
    return this.#pending.get(id)
  }

  /** Null: new. */
  #known(route: GatewayRoute, request: NewRequest): RequestOutcome | 'pending' | null {
    const entry = this.#pending.get(request.id) ?? route.application.stores.committed<string, RequestEntry>(route.ledgerStore, request.id)
    if (entry === null) return null
    refuseOtherBody(entry, request)
    return entry.state === 'pending' || entry.answer === null ? 'pending' : { id: request.id, state: entry.state, answer: entry.answer }
  }

  async #send(route: GatewayRoute, request: NewRequest, durable: boolean): Promise<void> {
    if (this.#producer === null) throw stopping()
    await this.#producer.send(gatewayRecord(route, request, { now: this.#options.clock.now() }), { durable })
  }

  /** Nobody would hear of what is accepted from now on. */
  #failed(error: unknown): void {
    this.#failure = error instanceof Error ? error.message : String(error)
    this.#pending.failAll(error)
  }

  async #follow(topic: string, reader: Reader, payloads: HandingSerde<Payload>): Promise<void> {
    for await (const run of reader) {
      for (const { key, value, headers } of run.records) {
        if (key === null || value === null || value instanceof DamagedValue) continue
        const id = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString()
        if (!this.#pending.has(id)) continue
        const answer =
          value instanceof Handed && value.serde === payloads
            ? (value.value as Payload)
            : payloads.deserialize(topic, value instanceof Handed ? value.bytes : value, headers)
        this.#pending.settle({ id, state: answer.kind === 'error' ? 'failed' : 'answered', answer })
      }
    }
  }
}
