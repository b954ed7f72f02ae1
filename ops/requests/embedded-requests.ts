import { bytesIn, type Clock, DamagedValue, Handed, type Log, type LogRecord, type Producer } from '../../processor/ports.ts'
import type { HandingSerde } from '../../topology/serde.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { type Durable, readBack, whenWritten } from '../../topology/swarm/request/durable.ts'
import type { Accepted, FoundRequest, NewRequest, RequestEntry, RequestOutcome } from '../../topology/swarm/request/requests.ts'
import { FollowedPartition } from './followed-partition.ts'
import { type GatewayTarget, gatewayRecord } from './gateway-targets.ts'
import { isOtherBody, refuseOtherBody, stopping } from './pending-requests.ts'
import { cannotTell, type OutcomeTopic, type SwarmEntrance, SwarmRequests } from './swarm-requests.ts'
import { UnreadRequests } from './unread-requests.ts'

export interface EmbeddedRequestsOptions {
  readonly log: Log
  readonly clock: Clock
  readonly targets: readonly GatewayTarget[]
  readonly outcomes: readonly OutcomeTopic[]
  /** The most requests whose callers wait for an outcome. At this number, the gateway refuses new requests. */
  readonly maxPending: number
}

/**
 * Requests on the embedded log, where one process runs everything. A request is appended to its gateway's topic, and its outcome is returned when the
 * commit with the outcome is durable. The ledger, whose store is in this process, decides the outcome of a request.
 */
export class EmbeddedRequests extends SwarmRequests {
  readonly #options: EmbeddedRequestsOptions
  readonly #unread: UnreadRequests
  #producer: Producer | null = null
  readonly #followed = new Map<SwarmEntrance, readonly FollowedPartition[]>()
  #failure: string | null = null
  #cancelRecovery = () => {}

  constructor(options: EmbeddedRequestsOptions) {
    super(options)
    this.#options = options
    this.#unread = new UnreadRequests(options.log, options.clock)
  }

  override async start(): Promise<void> {
    const { log, targets, outcomes } = this.#options
    this.#producer = await log.producer()
    await this.add({ targets, outcomes })
  }

  override async add(entrance: SwarmEntrance): Promise<void> {
    const { log, clock } = this.#options
    const { targets, outcomes } = entrance
    const places = outcomes.flatMap(({ topic, partitions, payloads }) =>
      Array.from({ length: partitions }, (_, partition) => ({
        topic,
        partition,
        onRecord: (record: LogRecord) => this.#received(topic, record, payloads),
      })),
    )
    const onFailure = (error: unknown) => this.#failed(error)
    this.#followed.set(entrance, await Promise.all(places.map((place) => FollowedPartition.open({ ...place, log, clock, onFailure }))))
    this.targets.add(targets)
  }

  override async remove(entrance: SwarmEntrance): Promise<void> {
    this.targets.remove(entrance.targets)
    const followed = this.#followed.get(entrance) ?? []
    this.#followed.delete(entrance)
    await Promise.all(followed.map((one) => one.close()))
  }

  override async close(): Promise<void> {
    await Promise.all([...this.#followed.values()].flat().map((followed) => followed.close()))
    await this.#producer?.close()
    this.stopWaiting()
  }

  override refusal(gateway: string): { readonly reason: string; readonly retryAfterSeconds: number } | null {
    const { log, maxPending } = this.#options
    if (this.#failure !== null) return { reason: `Answers cannot be read: ${this.#failure}`, retryAfterSeconds: 5 }
    return this.targets.refusal(gateway, { log, waiting: this.pending.waiting, maxPending, duringUpdate: this.duringUpdate })
  }

  override async submit(request: NewRequest): Promise<Durable<Accepted>> {
    if (this.duringUpdate.isHeld(request.gateway)) await this.duringUpdate.released(request)
    const target = this.targets.of(request.gateway)
    const accepted = { id: request.id }
    const known = this.#known(target, request)
    if (known === null)
      return whenWritten(
        accepted,
        this.pending.remember(request, () => this.#send(target, request, true)),
      )
    refuseOtherBody(await whenWritten(known, this.#written(request.id)), request)
    return whenWritten(accepted, Promise.resolve())
  }

  protected override async sendNow(request: NewRequest): Promise<Durable<RequestOutcome>> {
    const target = this.targets.of(request.gateway)
    const known = this.#known(target, request)
    if (known !== null) return this.#outcomeOfKnown(known, request)
    void this.pending.remember(request, () => this.#send(target, request, false))
    return this.pending.ownOutcomeOf(request)
  }

  async #outcomeOfKnown(known: RequestEntry, request: NewRequest): Promise<Durable<RequestOutcome>> {
    const { id } = request
    // The entry may come from memory, and must be durable before a caller gets it. A later outcome is durable together with the input.
    if (isOtherBody(known, request)) refuseOtherBody(await whenWritten(known, this.#written(id)), request)
    const { state, answer } = known
    if (state === 'pending' || answer === null) return this.pending.outcomeOf(request)
    return whenWritten({ id, state, answer }, this.#written(id))
  }

  override async find(id: string): Promise<Durable<FoundRequest> | null> {
    const entry = this.#inLedger(id) ?? this.pending.get(id)
    if (entry !== null) return whenWritten(entry, this.#written(id))
    // Between commits, every accepted request is either in the ledger or in a topic. So the open commit is awaited before the search.
    await this.#options.log.durable?.()
    for (const { application, topic, acceptedTopic, partitions } of this.targets.all) {
      const topics = [topic, acceptedTopic].map((name) => ({ topic: name, partitions }))
      if (await this.#unread.has(id, application, topics)) return whenWritten(waiting, Promise.resolve())
    }
    const written = this.#inLedger(id)
    if (written !== null) return whenWritten(written, this.#written(id))
    for (const { topic, acceptedTopic, partitions } of this.targets.resting)
      for (const name of [topic, acceptedTopic])
        if (await this.#unread.isAmongNewest(id, { topic: name, partitions })) return whenWritten(waiting, Promise.resolve())
    const { unknown } = this.targets
    if (unknown !== null) throw cannotTell(unknown)
    return null
  }

  #inLedger(id: string): RequestEntry | null {
    const applications = new Map([...this.targets.all, ...this.targets.resting].map((target) => [target.application, target.ledgerStore]))
    for (const [application, store] of applications) {
      const entry = application.stores.committed<string, RequestEntry>(store, id)
      if (entry !== null) return entry
    }
    return null
  }

  /** The entry of a request that this process remembers or that its ledger has written, whether durable or not; null for a new request. */
  #known(target: GatewayTarget, { id, bodyHash }: NewRequest): RequestEntry | null {
    // A request without a body hash has a new id, so no ledger knows it.
    if (bodyHash === '') return null
    return this.pending.get(id) ?? target.application.stores.committed<string, RequestEntry>(target.ledgerStore, id)
  }

  /** Settles when the state of a request, as `#known` has returned it, is durable. */
  #written(id: string): Promise<unknown> {
    return Promise.all([this.pending.written(id), this.#options.log.durable?.()])
  }

  async #send(target: GatewayTarget, request: NewRequest, durable: boolean): Promise<void> {
    if (this.#producer === null) throw stopping()
    request.onSend?.()
    await this.#producer.send(gatewayRecord(target, request, { now: this.#options.clock.now() }), { durable })
  }

  /** Refuses new requests for a while after a reader has failed, because nobody would read their outcomes. */
  #failed(error: unknown): void {
    const { clock } = this.#options
    this.#failure = error instanceof Error ? error.message : String(error)
    this.#cancelRecovery()
    this.#cancelRecovery = clock.after(refusingMs, () => {
      this.#failure = null
    })
  }

  #received(topic: string, { key, value, headers }: LogRecord, payloads: HandingSerde<Payload>): void {
    if (key === null || value === null || value instanceof DamagedValue) return
    const id = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString()
    if (!this.pending.has(id)) return
    const answer =
      value instanceof Handed && value.serde === payloads ? (value.value as Payload) : payloads.deserialize(topic, bytesIn(value), headers)
    this.pending.settle(readBack({ id, state: answer.kind === 'error' ? 'failed' : 'answered', answer }))
  }
}

const waiting: FoundRequest = { state: 'pending', bodyHash: '', answer: null }

/** The time, in ms, for which new requests are refused after a reader has failed. A failed reader is replaced after one second. */
const refusingMs = 2000
