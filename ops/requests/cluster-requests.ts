import { bytesIn, type Clock, type Log, type LogRecord, type Producer, type Random } from '../../processor/ports.ts'
import { type Header, headerText, textHeader } from '../../topology/record.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import { type Durable, readBack, whenWritten } from '../../topology/swarm/request/durable.ts'
import {
  asksHeader,
  bodyHashHeader,
  clockSignHeader,
  correlationHeader,
  replyPartitionHeader,
  replyTopicHeader,
  requestIdHeader,
  requestStateHeader,
} from '../../topology/swarm/request/headers.ts'
import type { RequestState } from '../../topology/swarm/request/reply.ts'
import type { Accepted, FoundRequest, NewRequest, RequestOutcome } from '../../topology/swarm/request/requests.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { ClockSigns } from './clock-signs.ts'
import { FollowedPartition } from './followed-partition.ts'
import { destinationOf, type GatewayTarget, gatewayRecord } from './gateway-targets.ts'
import { isOtherBody, refuseOtherBody, stopping } from './pending-requests.ts'
import { cannotTell, type SwarmEntrance, SwarmRequests } from './swarm-requests.ts'

export interface ClusterRequestsOptions {
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  readonly targets: readonly GatewayTarget[]
  /** The most requests whose callers wait for an outcome. At this number, the gateway refuses new requests. */
  readonly maxPending: number
  readonly onError: (error: unknown) => void
  /** Called with a message if the clocks of this server and another server differ. */
  readonly onClockSkew?: (message: string) => void
}

/**
 * Requests on a Kafka cluster, where many processes share the tasks. Any process may hold the ledger of a request, but the answer must reach the
 * process that holds the caller's connection. Each request therefore contains the name of its swarm's answers topic, and the partition that this
 * process reads. A question about a request contains the same. Requests and questions pass through the gateway's topic, in order. Processes need not
 * know each other.
 */
export class ClusterRequests extends SwarmRequests {
  readonly #options: ClusterRequestsOptions
  readonly #questions = new Map<string, Question>()
  /** The partition that this process reads, by answers topic. */
  readonly #partitions = new Map<string, number>()
  /** The targets of all added swarms. A version that did not start was not added. */
  readonly #added = new Set<readonly GatewayTarget[]>()
  readonly #answers = new Map<string, { readonly followed: FollowedPartition; users: number }>()
  /** The prefix of this process's questions. Other processes that read the same partition have other prefixes. */
  readonly #name: string
  #asked = 0
  readonly #clocks: ClockSigns
  #producer: Producer | null = null
  #closed = false

  constructor(options: ClusterRequestsOptions) {
    super(options)
    this.#options = options
    this.#name = Buffer.from(options.random.bytes(8)).toString('hex')
    const { clock, onClockSkew: warn = () => {} } = options
    this.#clocks = new ClockSigns({ clock, name: this.#name, send: (sign) => this.#sendSign(sign), warn })
  }

  override async start(): Promise<void> {
    this.#producer = await this.#options.log.producer()
    await this.add({ targets: this.#options.targets })
    this.#clocks.start()
  }

  override async add({ targets }: Pick<SwarmEntrance, 'targets'>): Promise<void> {
    const { log, clock, random, onError } = this.#options
    const topics = new Map(targets.flatMap(({ answers }) => (answers === null ? [] : [[answers.topic, answers.partitions] as const])))
    await Promise.all(
      [...topics].map(async ([topic, partitions]) => {
        const known = this.#answers.get(topic)
        if (known !== undefined) {
          known.users++
          return
        }
        const partition = Math.floor(random.next() * partitions)
        this.#partitions.set(topic, partition)
        const onRecord = (record: LogRecord) => this.#received(topic, record)
        this.#answers.set(topic, { followed: await FollowedPartition.open({ log, clock, topic, partition, onRecord, onFailure: onError }), users: 1 })
      }),
    )
    this.#added.add(targets)
    this.targets.add(targets)
  }

  override async remove({ targets }: SwarmEntrance): Promise<void> {
    if (!this.#added.delete(targets)) return
    this.targets.remove(targets)
    for (const topic of new Set(targets.flatMap(({ answers }) => (answers === null ? [] : [answers.topic])))) {
      const known = this.#answers.get(topic)
      if (known === undefined || --known.users > 0) continue
      this.#answers.delete(topic)
      this.#partitions.delete(topic)
      await known.followed.close()
    }
  }

  override async close(): Promise<void> {
    this.#closed = true
    this.#clocks.close()
    await Promise.all([...this.#answers.values()].map(({ followed }) => followed.close()))
    await this.#producer?.close()
    this.stopWaiting()
  }

  /** Fails all callers that wait for the outcome or for the state of a request with WAGGLE_STOPPING. */
  override stopWaiting(): void {
    super.stopWaiting()
    for (const question of this.#questions.values()) question.fail(stopping())
  }

  override refusal(gateway: string): { readonly reason: string; readonly retryAfterSeconds: number } | null {
    const { log, maxPending } = this.#options
    const waiting = this.pending.waiting + this.#questions.size
    return this.targets.refusal(gateway, { log, waiting, maxPending, duringUpdate: this.duringUpdate })
  }

  /**
   * Submits a request. If two requests have the same idempotency key and different bodies, the first request is valid, and only the ledger knows
   * which request was first. So the ledger is asked after the write.
   */
  override async submit(request: NewRequest): Promise<Durable<Accepted>> {
    if (this.duringUpdate.isHeld(request.gateway)) await this.duringUpdate.released(request)
    const target = this.targets.of(request.gateway)
    const accepted = await whenWritten({ id: request.id }, this.#send(target, request, []))
    // Without an idempotency key the id is new, so no earlier request can have the same id and another body.
    if (request.bodyHash === '') return accepted
    const known = await this.#ask(target, request.id)
    if (known !== null) refuseOtherBody(known, request)
    return accepted
  }

  protected override async sendNow(request: NewRequest): Promise<Durable<RequestOutcome>> {
    const { id } = request
    const target = this.targets.of(request.gateway)
    const known = this.pending.isWaitedFor(id) ? this.pending.get(id) : null
    if (known === null) {
      void this.pending.remember(request, () => this.#send(target, request, this.#replyTo(target)))
      return this.pending.ownOutcomeOf(request)
    }
    if (isOtherBody(known, request)) refuseOtherBody(await whenWritten(known, this.pending.written(id)), request)
    return this.pending.outcomeOf(request)
  }

  override async find(id: string): Promise<Durable<FoundRequest> | null> {
    // The id does not contain the name of the gateway, so the ledgers of all gateways are asked.
    const found = await Promise.all(this.targets.all.map((target) => this.#ask(target, id)))
    const known = found.find((one) => one !== null) ?? null
    // On a cluster, nobody reads the ledger of a paused swarm.
    const [resting] = this.targets.resting
    const unknown = this.targets.unknown ?? (resting === undefined ? null : `The swarm behind ${resting.gateway} is paused`)
    if (known === null && unknown !== null) throw cannotTell(unknown)
    return known
  }

  /** The least time by which this server's clock is behind the clock of another server, in ms. */
  override get clockBehindMs(): number {
    return this.#clocks.behindMs
  }

  /** Sends the time of this server to all readers of the first answers topic. */
  #sendSign(sign: string): void {
    const [answers] = [...this.#added].flat().flatMap((target) => target.answers ?? [])
    if (answers === undefined || this.#closed) return
    const headers = [textHeader(clockSignHeader, sign)]
    const record = { topic: answers.topic, key: Buffer.from(this.#name), value: null, headers, timestamp: this.#options.clock.now() }
    // A lost sign needs no report: a later sign replaces it, and requests report a cluster that takes no records.
    for (let partition = 0; partition < answers.partitions; partition++) this.#producer?.send({ ...record, partition }).catch(() => {})
  }

  async #send(target: GatewayTarget, request: NewRequest, headers: readonly Header[]): Promise<void> {
    const producer = this.#toSend
    request.onSend?.()
    await producer.send(gatewayRecord(target, request, { now: this.#options.clock.now(), headers }))
  }

  /** The ledger's entry for a request; null if the ledger does not know the request. Throws WAGGLE_NO_OUTCOME if no ledger answers in time. */
  async #ask(target: GatewayTarget, id: string): Promise<Durable<FoundRequest> | null> {
    const { clock } = this.#options
    const question = `${this.#name}-${this.#asked++}`
    const headers = [textHeader(requestIdHeader, id), textHeader(asksHeader, '1'), textHeader(correlationHeader, question), ...this.#replyTo(target)]
    let cancel = () => {}
    try {
      return await new Promise<Durable<FoundRequest> | null>((resolve, reject) => {
        this.#questions.set(question, { answer: resolve, fail: reject })
        cancel = clock.after(longestAskMs, () => reject(unanswered(id)))
        this.#toSend.send({ ...destinationOf(target, id), value: null, headers, timestamp: clock.now() }).catch(reject)
      })
    } finally {
      cancel()
      this.#questions.delete(question)
    }
  }

  #replyTo({ answers }: GatewayTarget): readonly Header[] {
    const partition = answers === null ? undefined : this.#partitions.get(answers.topic)
    if (answers === null || partition === undefined) return []
    return [textHeader(replyTopicHeader, answers.topic), textHeader(replyPartitionHeader, String(partition))]
  }

  get #toSend(): Producer {
    if (this.#producer === null || this.#closed) throw stopping()
    return this.#producer
  }

  #received(topic: string, { key, value, headers }: LogRecord): void {
    if (key === null) return
    const sign = headerText(headers, clockSignHeader)
    if (sign !== null) {
      this.#clocks.take(sign)
      return
    }
    const state = headerText(headers, requestStateHeader) as RequestState | null
    const id = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString()
    const question = this.#questions.get(headerText(headers, correlationHeader) ?? '')
    const isOutcome = state === 'answered' || state === 'failed'
    if (question === undefined && !(isOutcome && this.pending.has(id))) return
    const answer = isOutcome ? payloadOf(topic, value, headers) : null
    if (state === 'unknown' || state === null) question?.answer(null)
    else question?.answer(readBack({ state, answer, bodyHash: headerText(headers, bodyHashHeader) ?? '' }))
    if (answer !== null && isOutcome) this.pending.settle(readBack({ id, state, answer }))
  }
}

interface Question {
  answer(found: Durable<FoundRequest> | null): void
  fail(error: unknown): void
}

function payloadOf(topic: string, value: LogRecord['value'], headers: readonly Header[]): Payload {
  return payloadSerde.deserialize(topic, bytesIn(value) ?? new Uint8Array(0), headers)
}

function unanswered(id: string): WaggleError {
  return new WaggleError('WAGGLE_NO_OUTCOME', {
    message: `No process told the state of request ${id} within ${longestAskMs / 1000} s`,
    next: 'Ask again in a moment: the task that has the request may be moving from one process to another.',
  })
}

const longestAskMs = 15_000
