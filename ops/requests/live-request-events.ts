import { type Clock, type Log, type LogRecord, partitionName, type TopicPartition } from '../../processor/ports.ts'
import { partRecords, placeOf } from '../../processor/swarm/part-log.ts'
import { PartStarts } from '../../processor/swarm/part-starts.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import { headerText } from '../../topology/record.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import { notTakenCode } from '../../topology/swarm/request/branches.ts'
import { errorHeader } from '../../topology/swarm/request/headers.ts'
import { unknownTime } from '../../topology/swarm/request/part.ts'
import {
  acceptedKey,
  type EventListener,
  type FollowedRequest,
  outcomeKey,
  type RequestEvent,
  type RequestEvents,
  SentEvents,
} from '../../topology/swarm/request/request-events.ts'
import type { RequestTrace, TraceStep } from '../../topology/swarm/request/request-trace.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { RequestTraces } from '../inspection/request-traces.ts'
import { beeIn, entranceStep, innerSteps, stepOf, withWait } from '../inspection/trace-steps.ts'
import { FollowedPartition } from './followed-partition.ts'
import { FollowedParts } from './followed-parts.ts'

export interface LiveRequestEventsOptions {
  readonly log: Log
  readonly clock: Clock
  readonly plans: readonly SwarmPlan[]
  readonly traces: RequestTraces
  /**
   * True if a ledger knows the outcome of a request. The search of a trace has bounds, so a trace may miss the outcome in a long log, and the outcome
   * of a request that was sent again. Default: only the log tells the outcome.
   */
  readonly isSettled?: (id: string) => Promise<boolean>
  readonly maxFollowed?: number
}

/** The reader of one partition. All followed requests with records in the partition share the reader. */
interface SharedPartition {
  readonly followed: Promise<FollowedPartition>
  readonly listeners: Map<string, Set<(record: LogRecord) => void>>
}

/**
 * The events of requests, from the log. A trace first provides the events of the records that the log already contains. Each new record then provides
 * an event. All followed requests share the readers of partitions. A partition without followed requests is not read.
 */
export class LiveRequestEvents implements RequestEvents {
  readonly #options: LiveRequestEventsOptions
  readonly #shared = new Map<string, SharedPartition>()
  /** The places of parts in the log, by the topic of parts. */
  readonly #starts = new Map<string, PartStarts>()
  #followed = 0

  constructor(options: LiveRequestEventsOptions) {
    this.#options = options
  }

  async follow(id: string, lastEventId: string | null, listener: EventListener): Promise<FollowedRequest> {
    const { traces, plans } = this.#options
    const trace = await traces.trace(id)
    const plan = plans.find(({ swarm }) => swarm === trace.swarm)
    const sent = new SentEvents(lastEventId, new Set([...(plan?.bees ?? []).map(({ name }) => name), ...trace.steps.map(({ bee }) => bee)]))
    if (plan === undefined || isOver(trace)) {
      await new EventsOfRequest({ id, plan: plan ?? null, sent, listener, starts: (topic) => this.#startsOf(topic), ...this.#options }).tell(trace)
      return { async finish() {}, end() {} }
    }
    const { events, end } = await this.#live({ id, plan, sent, listener })
    try {
      // The second trace contains the records that were written between the first trace and the start of the readers.
      await events.tell(await traces.trace(id), { isAllBefore: true })
    } catch (error) {
      end()
      throw error
    }
    // The readers have begun, so they find any later outcome.
    void this.#options.isSettled?.(id).then(
      (isSettled) => (isSettled ? events.finish() : undefined),
      () => {},
    )
    return { finish: () => events.finish(), end }
  }

  async await(gateway: string, id: string, listener: EventListener): Promise<FollowedRequest> {
    const { plans } = this.#options
    const plan = plans.find(({ gateways }) => gateways.some((one) => one.gateway === gateway))
    if (plan === undefined)
      throw new WaggleError('WAGGLE_UNKNOWN_GATEWAY', { message: `There is no gateway ${gateway}`, next: 'Correct the name of the gateway.' })
    const { events, end } = await this.#live({ id, plan, sent: new SentEvents(), listener })
    return { finish: () => events.finish(), end }
  }

  /** Follows the events of a request as its records arrive, until `end` is called. */
  async #live(request: {
    readonly id: string
    readonly plan: SwarmPlan
    readonly sent: SentEvents
    readonly listener: EventListener
  }): Promise<{ readonly events: EventsOfRequest; readonly end: () => void }> {
    const places = this.#placesOf(request.id, request.plan)
    const arrived = () => this.#arrived(places)
    const events = new EventsOfRequest({ ...request, ...this.#options, starts: (topic) => this.#startsOf(topic), arrived })
    const end = await this.#listen(request.id, places, (place, record) => events.take(place, record))
    return { events, end }
  }

  /** The partitions that contain records of a request. */
  #placesOf(id: string, plan: SwarmPlan): readonly TopicPartition[] {
    const key = Buffer.from(id)
    return plan.topics
      .filter(({ name }) => beeIn(name) !== null || name === plan.partsTopic || plan.gateways.some(({ topic }) => topic === name))
      .map(({ name, partitions }) => ({ topic: name, partition: partitionForKey(key, partitions) }))
  }

  #startsOf(topic: string): PartStarts {
    const starts = this.#starts.get(topic) ?? new PartStarts(this.#options.log, topic)
    this.#starts.set(topic, starts)
    return starts
  }

  async #arrived(places: readonly TopicPartition[]): Promise<boolean> {
    const { log, clock } = this.#options
    const late = Promise.withResolvers<false>()
    const cancel = clock.after(arrivalMs, () => late.resolve(false))
    const reached = places.map(async (place) => {
      const shared = this.#shared.get(partitionName(place))
      if (shared === undefined) return false
      const [followed, info] = await Promise.all([shared.followed, log.topic(place.topic)])
      await followed.reached(info?.offsets[place.partition]?.end ?? 0)
      return true
    })
    try {
      return await Promise.race([Promise.all(reached).then((all) => all.every((one) => one)), late.promise])
    } finally {
      cancel()
    }
  }

  async #listen(id: string, places: readonly TopicPartition[], take: (place: TopicPartition, record: LogRecord) => void): Promise<() => void> {
    const { maxFollowed = 256 } = this.#options
    if (this.#followed >= maxFollowed)
      throw new WaggleError('WAGGLE_OVERLOADED', { message: `${maxFollowed} requests are followed`, next: 'Ask again in a moment.' })
    this.#followed++
    const ends = places.map((place) => this.#add(place, id, (record) => take(place, record)))
    let isEnded = false
    const end = () => {
      if (isEnded) return
      isEnded = true
      this.#followed--
      for (const one of ends) one.end()
    }
    try {
      await Promise.all(ends.map(({ ready }) => ready))
    } catch (error) {
      end()
      throw error
    }
    return end
  }

  #add(place: TopicPartition, id: string, take: (record: LogRecord) => void): { readonly ready: Promise<unknown>; readonly end: () => void } {
    const name = partitionName(place)
    const shared = this.#shared.get(name) ?? this.#open(place)
    this.#shared.set(name, shared)
    const own = shared.listeners.get(id) ?? new Set()
    shared.listeners.set(id, own.add(take))
    const end = () => {
      own.delete(take)
      if (own.size === 0) shared.listeners.delete(id)
      if (shared.listeners.size > 0 || this.#shared.get(name) !== shared) return
      this.#shared.delete(name)
      shared.followed.then((followed) => followed.close()).catch(() => {})
    }
    return { ready: shared.followed, end }
  }

  #open(place: TopicPartition): SharedPartition {
    const { log, clock } = this.#options
    const listeners: SharedPartition['listeners'] = new Map()
    const onRecord = (record: LogRecord) => {
      if (record.key === null) return
      for (const take of listeners.get(Buffer.from(record.key).toString()) ?? []) take(record)
    }
    // `FollowedPartition` replaces a failed reader, so a failure needs no reaction here.
    return { followed: FollowedPartition.open({ ...place, log, clock, onRecord, onFailure: () => {} }), listeners }
  }
}

/** The longest wait for records that a reader is about to deliver, in ms. */
const arrivalMs = 500

function isOver({ state }: RequestTrace): boolean {
  return state === 'answered' || state === 'failed'
}

interface EventsOptions {
  readonly id: string
  readonly plan: SwarmPlan | null
  readonly sent: SentEvents
  readonly listener: EventListener
  readonly traces: RequestTraces
  readonly log: Log
  readonly clock: Clock
  readonly starts: (topic: string) => PartStarts
  /**
   * Settles when every record that the followed partitions contain by now has arrived; with false if the wait is too long. Undefined: no partition is
   * followed.
   */
  readonly arrived?: () => Promise<boolean>
}

/** The events of one request. Each event is sent once, even if both a trace and a record contain it. */
class EventsOfRequest {
  readonly #id: string
  readonly #plan: SwarmPlan | null
  readonly #sent: SentEvents
  readonly #listener: EventListener
  readonly #traces: RequestTraces
  readonly #steps: TraceStep[] = []
  /** The parts of the request; null if no bee of the swarm publishes parts. */
  readonly #parts: FollowedParts | null
  /** The time of the request, in epoch ms. */
  #acceptedAt = unknownTime
  /**
   * The time of the request's first record that arrived while the request was followed; null before. A request that was sent earlier has an older
   * record.
   */
  #seenAt: number | null = null
  readonly #arrived: () => Promise<boolean>
  /** True if all events from before the start of the readers were sent. The readers then provide all other events. */
  #hasAllBefore = false
  #isAccepted = false
  /** Functions that send the events which arrived before the event `accepted`. `accepted` must be first, but the topics are read concurrently. */
  readonly #early: (() => void)[] = []
  #isOver = false

  constructor({ id, plan, sent, listener, traces, log, clock, starts, arrived }: EventsOptions) {
    this.#id = id
    this.#plan = plan
    this.#sent = sent
    this.#listener = listener
    this.#traces = traces
    this.#arrived = arrived ?? (async () => false)
    const parts = plan?.topics.find(({ name }) => name === plan.partsTopic)
    const place = parts === undefined ? null : placeOf(id, { topic: parts.name, partitions: parts.partitions })
    this.#parts =
      place === null
        ? null
        : new FollowedParts({
            past: () => partRecords(log, { ...place, id, since: this.#firstSentAt, starts: starts(place.topic) }),
            // Retention deletes only older records. So a log that begins at a young request has lost nothing of this request.
            isOld: (since) => since !== unknownTime && clock.now() - since >= (parts?.leastAgeMs ?? 0),
            bees: parts?.writers ?? [],
            since: () => this.#acceptedAt,
            sent: () => sent.parts,
            listener: (part) =>
              this.#inOrder(() => {
                const eventId = this.#isOver ? null : sent.addPart(part)
                if (eventId !== null) this.#tellListener({ kind: 'part', id: eventId, part })
              }),
            onGap: () =>
              this.#inOrder(() => {
                if (!this.#isOver) this.#tellListener({ kind: 'gap', id: sent.last })
              }),
            isOver: () => this.#isOver,
          })
  }

  /**
   * The time from which the parts of the request are searched. A record of the request may be that of a later copy, so only the id or the ledger tells
   * the time of the first copy. The ledger may be in another process.
   */
  get #firstSentAt(): number {
    const first = this.#acceptedAt === unknownTime ? null : this.#traces.firstSentAt(this.#id)
    return first === null ? unknownTime : Math.min(first, this.#acceptedAt)
  }

  /** Sends the events of a trace. `isAllBefore`: the readers were started before the trace. */
  async tell(trace: RequestTrace, { isAllBefore = false } = {}): Promise<void> {
    this.#accepted(trace.gateway, trace.accepted_at)
    await this.#parts?.catchUp(this.#acceptedAt)
    this.#hasAllBefore = isAllBefore && trace.complete
    this.#tellSteps(trace)
  }

  #tellSteps(trace: RequestTrace): void {
    for (const step of trace.steps) if (beeIn(step.topic) !== null) this.#done(step)
    if (isOver(trace)) this.#outcome()
    else if (this.#plan === null) this.#rest()
  }

  /**
   * Sends the missing events, and then the outcome. The topics of a swarm are read concurrently, so the record of the outcome may arrive before the
   * results of some bees.
   */
  async finish(): Promise<void> {
    const hasArrived = await this.#arrived().catch(() => false)
    try {
      // Events from before the start of the readers are in a trace. A process that makes many traces may refuse this trace. Results of some bees are
      // then missing, but no part may be missing.
      const trace = hasArrived && this.#hasAllBefore ? null : await this.#traces.trace(this.#id).catch(() => null)
      if (trace !== null) this.#accepted(trace.gateway, trace.accepted_at)
      await this.#parts?.finish(this.#acceptedAt, { hasArrived, isFromStart: trace !== null && this.#seenAt === trace.accepted_at })
      this.#tellEarly()
      if (trace !== null) this.#tellSteps(trace)
    } catch {
      // The parts cannot be read now. The caller gets the parts and the outcome after it reconnects.
      this.#rest()
      return
    }
    this.#outcome()
  }

  take(place: TopicPartition, record: LogRecord): void {
    if (place.topic === this.#plan?.partsTopic) {
      this.#parts?.take(record)
      return
    }
    const gateway = this.#plan?.gateways.find(({ topic }) => topic === place.topic)
    if (gateway !== undefined) {
      this.#seenAt ??= record.timestamp
      this.#steps.push(entranceStep({ ...place, record }, this.#plan))
      this.#accepted(gateway.gateway, record.timestamp)
      return
    }
    if (headerText(record.headers, errorHeader) === notTakenCode) return
    const found = { ...place, record }
    for (const step of [...innerSteps(found, [], this.#plan), stepOf(found)]) if (!this.#isElsewhere(step, place.topic)) this.#done(step)
    if (place.topic === this.#plan?.outcomesTopic) void this.finish()
  }

  #tellListener(event: RequestEvent): void {
    if (this.#listener(event) === false) this.#isOver = true
  }

  #rest(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#listener({ kind: 'rest', id: '' })
  }

  #accepted(gateway: string | null, acceptedAt: number | null): void {
    const isOwn = this.#plan?.gateways.some((own) => own.gateway === gateway) === true
    // A request that was sent again has several records. Its time is that of the first.
    if (isOwn && acceptedAt !== null) this.#acceptedAt = this.#acceptedAt === unknownTime ? acceptedAt : Math.min(this.#acceptedAt, acceptedAt)
    const id = this.#isOver ? null : this.#sent.add(acceptedKey)
    if (id !== null) this.#tellListener({ kind: 'accepted', id, gateway, accepted_at: acceptedAt })
    this.#tellEarly()
  }

  /** Sends an event at once, or after the event `accepted`. */
  #inOrder(tell: () => void): void {
    if (this.#isAccepted) tell()
    else this.#early.push(tell)
  }

  #tellEarly(): void {
    this.#isAccepted = true
    for (const tell of this.#early.splice(0)) tell()
  }

  #done(step: TraceStep): void {
    this.#inOrder(() => this.#tellStep(step))
  }

  #tellStep(step: TraceStep): void {
    // The step of the outcome's record is left out here, because `#outcome` sends it.
    if (this.#isOver || (step.topic === this.#plan?.outcomesTopic && step.bee === beeIn(step.topic))) return
    const id = this.#sent.add(step.round === null ? step.bee : `${step.bee}@${step.round}`)
    if (id === null) return
    const shown = this.#plan === null || step.after.length > 0 ? step : withWait(step, this.#steps, this.#plan)
    this.#steps.push(shown)
    this.#tellListener({ kind: 'bee', id, step: shown })
  }

  #outcome(): void {
    const id = this.#isOver ? null : this.#sent.add(outcomeKey)
    this.#isOver = true
    if (id !== null) this.#listener({ kind: 'outcome', id })
  }

  /** True for a bee whose step is in the record of another topic: a gateway, or a bee with its own topic. */
  #isElsewhere({ bee }: TraceStep, topic: string): boolean {
    const planned = this.#plan?.bees.find(({ name }) => name === bee)
    return planned?.type.role === 'gateway' || (beeIn(topic) !== bee && (this.#plan?.topics.some(({ name }) => beeIn(name) === bee) ?? false))
  }
}
