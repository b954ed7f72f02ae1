import { partitionForKey } from '../../processor/partitioner.ts'
import { type Clock, Handed, type Log, type Producer, type Reader } from '../../processor/ports.ts'
import type { Application } from '../../processor/streams.ts'
import { type Header, textHeader } from '../../topology/record.ts'
import type { HandingSerde } from '../../topology/serde.ts'
import type { Payload } from '../../topology/swarm/payload.ts'
import type { NewRequest, RequestEntry, RequestOutcome, Requests } from '../../topology/swarm/requests.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** Where one gateway's requests go and their outcomes come from. */
export interface GatewayRoute {
  readonly gateway: string
  readonly topic: string
  readonly partitions: number
  readonly application: Application
  readonly ledgerStore: string
}

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
 * The way in and out of the engine for gateways: appends a request to its gateway's topic and gives the outcome when the commit
 * that holds it is durable. Which outcome a request has is the ledger's to say; this only remembers who waits.
 */
export class SwarmRequests implements Requests {
  readonly #options: SwarmRequestsOptions
  readonly #routes: ReadonlyMap<string, GatewayRoute>
  readonly #pending = new Map<string, Pending>()
  #producer: Producer | null = null
  readonly #readers: Reader[] = []
  #waiting = 0

  constructor(options: SwarmRequestsOptions) {
    this.#options = options
    this.#routes = new Map(options.routes.map((route) => [route.gateway, route]))
  }

  get gateways(): readonly string[] {
    return [...this.#routes.keys()]
  }

  async start(): Promise<void> {
    const { log, outcomes } = this.#options
    this.#producer = await log.producer()
    for (const { topic, partitions, payloads } of outcomes) {
      for (let partition = 0; partition < partitions; partition++) {
        const reader = log.read({ topic, partition, from: -1 })
        this.#readers.push(reader)
        void this.#follow(topic, reader, payloads)
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.close()))
    await this.#producer?.close()
    for (const pending of this.#pending.values()) pending.fail(stopping())
    this.#pending.clear()
  }

  refusal(gateway: string): { readonly reason: string; readonly retryAfterSeconds: number } | null {
    const route = this.#routes.get(gateway)
    if (route !== undefined && route.application.state !== 'RUNNING')
      return { reason: 'The swarm is starting: its models are loading', retryAfterSeconds: 2 }
    const { load } = this.#options.log
    if (load.pendingBytes >= load.maxPendingBytes) return { reason: 'The log has more to write than its bound allows', retryAfterSeconds: 1 }
    if (this.#waiting >= this.#options.maxPending) return { reason: `${this.#waiting} requests are waiting for an answer`, retryAfterSeconds: 1 }
    return null
  }

  async submit(request: NewRequest): Promise<void> {
    const route = this.#route(request.gateway)
    if (this.#known(route, request) !== null) return
    this.#remember(request)
    try {
      await this.#send(route, request, true)
    } catch (error) {
      this.#pending.delete(request.id)
      throw error
    }
  }

  async request(request: NewRequest): Promise<RequestOutcome> {
    const route = this.#route(request.gateway)
    const known = this.#known(route, request)
    if (known !== null && known !== 'pending') return known
    const pending = this.#pending.get(request.id) ?? this.#remember(request)
    if (known === null) {
      this.#send(route, request, false).catch((error: unknown) => {
        this.#pending.delete(request.id)
        pending.fail(error)
      })
    }
    this.#waiting++
    const cancel = this.#guard(request, pending)
    try {
      return await pending.outcome
    } finally {
      this.#waiting--
      cancel()
    }
  }

  async find(id: string): Promise<RequestEntry | null> {
    const applications = new Map(this.#options.routes.map((route) => [route.application, route.ledgerStore]))
    for (const [application, store] of applications) {
      const entry = application.committed<string, RequestEntry>(store, id)
      if (entry !== null) return entry
    }
    return this.#pending.get(id)?.entry ?? null
  }

  /** Null: new. The same id with another body is an error. */
  #known(route: GatewayRoute, request: NewRequest): RequestOutcome | 'pending' | null {
    const entry = this.#pending.get(request.id)?.entry ?? route.application.committed<string, RequestEntry>(route.ledgerStore, request.id)
    if (entry === null) return null
    if (entry.bodyHash !== '' && entry.bodyHash !== request.bodyHash) {
      throw new WaggleError('WAGGLE_KEY_REUSED', {
        message: 'This idempotency key came before, with another body',
        next: 'Use a new Idempotency-Key for a new request, or send the very same body again.',
      })
    }
    return entry.state === 'pending' || entry.answer === null ? 'pending' : { id: request.id, state: entry.state, answer: entry.answer }
  }

  #remember(request: NewRequest): Pending {
    const pending = new Pending({
      state: 'pending',
      gateway: request.gateway,
      acceptedAt: this.#options.clock.now(),
      settledAt: null,
      deadline: request.deadline,
      bodyHash: request.bodyHash,
      answer: null,
    })
    this.#pending.set(request.id, pending)
    if (this.#pending.size > maxRemembered) this.#forgetOldest()
    return pending
  }

  /** Submitted ones that nobody waits for: the ledger knows them by now. */
  #forgetOldest(): void {
    for (const [id, pending] of this.#pending) {
      if (pending.isWaitedFor) continue
      this.#pending.delete(id)
      return
    }
  }

  async #send(route: GatewayRoute, request: NewRequest, durable: boolean): Promise<void> {
    if (this.#producer === null) throw stopping()
    const key = Buffer.from(request.id)
    const headers: Header[] = [
      textHeader('content-type', request.contentType),
      textHeader('waggle-request-id', request.id),
      textHeader('waggle-body-hash', request.bodyHash),
    ]
    if (request.deadline !== null) headers.push(textHeader('waggle-deadline', String(request.deadline)))
    if (request.traceparent !== null) headers.push(textHeader('traceparent', request.traceparent))
    await this.#producer.send(
      {
        topic: route.topic,
        partition: partitionForKey(key, route.partitions),
        key,
        value: request.body,
        headers,
        timestamp: this.#options.clock.now(),
      },
      { durable },
    )
  }

  /** The ledger settles every request at its deadline. Where the engine itself cannot go on, nobody waits for ever. */
  #guard(request: NewRequest, pending: Pending): () => void {
    if (request.deadline === null) return () => {}
    return this.#options.clock.after(request.deadline + graceMs - this.#options.clock.now(), () => {
      pending.fail(
        new WaggleError('WAGGLE_NO_OUTCOME', {
          message: 'The deadline passed and no outcome was stored yet',
          next: `Ask for it later: GET /v1/requests/${request.id}.`,
        }),
      )
      this.#pending.delete(request.id)
    })
  }

  async #follow(topic: string, reader: Reader, payloads: HandingSerde<Payload>): Promise<void> {
    for await (const run of reader) {
      for (const { key, value, headers } of run.records) {
        if (key === null || value === null) continue
        const id = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString()
        const pending = this.#pending.get(id)
        if (pending === undefined) continue
        this.#pending.delete(id)
        const answer =
          value instanceof Handed && value.serde === payloads
            ? (value.value as Payload)
            : payloads.deserialize(topic, value instanceof Handed ? value.bytes : value, headers)
        pending.settle({ id, state: answer.kind === 'error' ? 'failed' : 'answered', answer })
      }
    }
  }

  #route(gateway: string): GatewayRoute {
    const route = this.#routes.get(gateway)
    if (route === undefined)
      throw new WaggleError('WAGGLE_UNKNOWN_GATEWAY', { message: `There is no gateway ${gateway}`, next: `Use one of: ${this.gateways.join(', ')}.` })
    return route
  }
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

function stopping(): WaggleError {
  return new WaggleError('WAGGLE_STOPPING', {
    message: 'Waggle is stopping',
    next: 'Send the request again in a moment; what was accepted goes on after the restart.',
  })
}
