import type { FailureListener } from '../../topology/failed-record.ts'
import type { ProcessorContext } from '../../topology/processor-api.ts'
import { type Header, headerText, type Record } from '../../topology/record.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'
import type { ErrorPayload, Payload } from '../../topology/swarm/payload/payload.ts'
import { payloadHeaders } from '../../topology/swarm/payload/payload-serde.ts'
import { isAnswered } from '../../topology/swarm/request/answered.ts'
import { deadlinePassed, errorPayload } from '../../topology/swarm/request/bee-error.ts'
import { isNotTaken } from '../../topology/swarm/request/branches.ts'
import {
  acceptedHeader,
  bodyHashHeader,
  contentTypeHeader,
  errorHeader,
  gatewayHeader,
  unansweredHeader,
} from '../../topology/swarm/request/headers.ts'
import { type AcceptedRequest, type LedgerMessage, ledgerMessageOf } from '../../topology/swarm/request/ledger-message.ts'
import { type Reply, type ReplyTo, replyRecord } from '../../topology/swarm/request/reply.ts'
import type { ReplyTopics } from '../../topology/swarm/request/reply-topics.ts'
import type { RequestEntry } from '../../topology/swarm/request/requests.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { DueIndex } from '../operators/due-index.ts'
import { OpenedProcessor } from '../operators/opened-processor.ts'
import { AnswerExpiry } from './answer-expiry.ts'
import { failedAt } from './failed-at.ts'
import { outputRecord, synchronousCall } from './output-record.ts'
import { expectReachable } from './reply-to.ts'

export interface RequestLedgerOptions {
  readonly store: string
  readonly dueStore: string
  readonly retentionMs: number
  /** The bees whose results an answer needs. */
  readonly waitsFor: readonly string[]
  /**
   * For each gateway, the number of ways by which an answer to its requests may come. A way is an input of the respond bee, or a bee that may answer
   * itself.
   */
  readonly ways: ReadonlyMap<string, number>
  /** The bee that answers. The error of a missed deadline names this bee. */
  readonly bee: string
  /** The bee before the respond bee in the same sub-topology; null if there is none. */
  readonly before?: string | null
  /** The children that take outcomes; empty if the swarm answers nobody. */
  readonly outcomeChildren: readonly string[]
  /** The topic of accepted requests. A bee in the middle of the swarm writes its answer to this topic too. */
  readonly acceptedTopic: string
  /** The child that takes each `Reply`. */
  readonly replyChild: string
  /** The topics that may get answers. The ledger checks them, because every writer of the accepted topic can name one. */
  readonly replyTopics: ReplyTopics
  /** The record as it is stored and forwarded, with the claims of large payloads. Default: as it is. */
  readonly restored?: (record: Record<string, Payload>) => Record<string, Payload>
  /** Called with each request whose deadline has passed. */
  readonly onFailure?: FailureListener
}

interface Parts {
  readonly context: ProcessorContext<string, Payload | Reply>
  readonly entries: KeyValueStore<string, RequestEntry>
  readonly dues: DueIndex
  readonly expiry: AnswerExpiry
}

/**
 * Stores the state of each request: pending → answered | failed. The first outcome is stored and forwarded, and later ones change nothing. A request
 * without an outcome at its deadline fails with a 504 that names the bees that the answer needs. A request with a reply topic gets its answer there,
 * even if the request is sent again after the answer, through any process.
 *
 * The store maps a request id to a RequestEntry, which is kept for `retentionMs` (`AnswerExpiry`). `<store>-due` holds the ids in the order of their deadlines and
 * expiries.
 */
export class RequestLedgerProcessor extends OpenedProcessor<string, Payload, string, Payload | Reply, Parts> {
  readonly #options: RequestLedgerOptions

  constructor(options: RequestLedgerOptions) {
    super()
    this.#options = options
  }

  override open(context: ProcessorContext<string, Payload | Reply>): Parts {
    const entries = context.getStateStore<KeyValueStore<string, RequestEntry>>(this.#options.store)
    const dues = new DueIndex(context.getStateStore(this.#options.dueStore), context, (id, isDue) => this.#due(id, isDue))
    const expiry = new AnswerExpiry({ entries, dues, retentionMs: this.#options.retentionMs })
    return { context, entries, dues, expiry }
  }

  process(record: Record<string, Payload>): void {
    const { key, value, headers, timestamp } = this.#options.restored?.(record) ?? record
    if (headerText(headers, acceptedHeader) === null) this.#decide(key, value, headers, timestamp)
    else this.#take(key, value.kind === 'json' ? ledgerMessageOf(value.json) : null, timestamp)
  }

  #take(id: string, message: LedgerMessage | null, timestamp: number): void {
    if (message === null) throw foreignMessage()
    const { reply_to: replyTo } = message
    if (replyTo !== null) expectReachable(replyTo, this.#options.replyTopics)
    const entry = this.parts.entries.get(id)
    if ('asks' in message) this.#tell(id, entry, message.reply_to, timestamp)
    else if (entry === null || entry.isAccepted === false) this.#accept(id, message, entry)
    else if (message.reply_to !== null) this.#acceptAgain(id, entry, message, message.reply_to, timestamp)
  }

  #accept(id: string, { gateway, accepted_at, deadline, body_hash, reply_to }: AcceptedRequest, before: RequestEntry | null): void {
    const { context, entries, dues, expiry } = this.parts
    const replies = reply_to === null ? [] : [reply_to]
    const now = context.currentSystemTime
    const latest = expiry.timeFrom(now)
    // The time of acceptance must not lie in the future, because a future time would keep the entry for ever.
    const acceptedAt = Math.min(accepted_at, now)
    const bounded = deadline === null ? null : Math.min(deadline, latest)
    const open = { state: 'pending', gateway, acceptedAt, settledAt: null, deadline: bounded, bodyHash: body_hash, answer: null, replies } as const
    const { untaken, refusal } = before ?? {}
    entries.put(id, untaken === undefined || refusal === undefined ? open : { ...open, untaken, refusal })
    dues.add(id, bounded ?? latest)
  }

  /**
   * Takes a message about a known id. Either the request was sent again, or the outcome of the request came before its message. Outcome and message
   * come through different topics.
   */
  #acceptAgain(id: string, entry: RequestEntry, { body_hash }: AcceptedRequest, replyTo: ReplyTo, timestamp: number): void {
    if (body_hash !== '' && entry.bodyHash !== '' && body_hash !== entry.bodyHash) {
      this.#reply(id, { to: replyTo, state: 'failed', payload: keyReused, bodyHash: entry.bodyHash, timestamp })
      return
    }
    if (entry.state !== 'pending') {
      this.#tell(id, entry, replyTo, timestamp)
      return
    }
    const isKnown = entry.replies.some((known) => isSame(known, replyTo))
    // If too many processes wait for a request, the process that has waited longest is dropped. Most likely that process has ended.
    if (!isKnown) this.parts.entries.put(id, { ...entry, replies: [...entry.replies, replyTo].slice(-maxReplies) })
  }

  #tell(id: string, entry: RequestEntry | null, to: ReplyTo, timestamp: number): void {
    const payload = entry?.answer ?? nothing
    this.#reply(id, { to, state: entry?.state ?? 'unknown', payload, bodyHash: entry?.bodyHash ?? '', timestamp })
  }

  #reply(id: string, reply: Parameters<typeof replyRecord>[1]): void {
    const { context } = this.parts
    context.forward(replyRecord(id, reply), this.#options.replyChild)
    context.commit()
  }

  /**
   * Stores and forwards the outcome of a request. An answer that a bee gives in the middle of the swarm comes through the accepted topic. Results
   * that follow from such an answer are skipped (`isAnswered`).
   */
  #decide(id: string, given: Payload, headers: readonly Header[], timestamp: number): void {
    const { context, entries, dues, expiry } = this.parts
    if (isAnswered({ value: given, headers })) return
    const before = entries.get(id)
    if (before !== null && before.state !== 'pending') return
    const answer = this.#answerIn({ key: id, value: given, headers, timestamp }, before)
    if (answer === null) return
    const now = context.currentSystemTime
    const entry: RequestEntry = {
      state: answer.kind === 'error' ? 'failed' : 'answered',
      // The outcome may come before the ledger message of its request. Outcome and message come through different topics.
      gateway: before?.gateway ?? headerText(headers, gatewayHeader) ?? '',
      acceptedAt: before?.acceptedAt ?? timestamp,
      settledAt: now,
      deadline: before?.deadline ?? null,
      bodyHash: before?.bodyHash ?? headerText(headers, bodyHashHeader) ?? '',
      answer,
      replies: [],
    }
    entries.put(id, entry)
    if (before !== null && before.deadline !== null) dues.remove(id, before.deadline)
    expiry.schedule(id, now)
    const outcome = this.#outcome({ key: id, value: answer, timestamp, headers }, now)
    for (const child of this.#options.outcomeChildren) context.forward(outcome, child)
    this.#tellAll(id, entry, before?.replies ?? [], timestamp)
    context.commit()
  }

  /**
   * Sends a reply to each place that waits for one. If one reply cannot be made, its error is thrown after all other replies were sent, because they
   * would not be sent later.
   */
  #tellAll(id: string, { state, answer, bodyHash }: RequestEntry, replies: readonly ReplyTo[], timestamp: number): void {
    const failures: unknown[] = []
    const records = replies.flatMap((to) => {
      try {
        return [replyRecord(id, { to, state, payload: answer ?? nothing, bodyHash, timestamp })]
      } catch (thrown) {
        failures.push(thrown)
        return []
      }
    })
    for (const record of records) this.parts.context.forward(record, this.#options.replyChild)
    if (failures.length > 0) throw failures[0]
  }

  /** The record of an outcome. An error keeps the times of the bee that failed. */
  #outcome(record: Record<string, Payload>, now: number): Record<string, Payload> {
    const isDirect = this.parts.context.recordMetadata?.topic === this.#options.acceptedTopic
    if (record.value.kind !== 'error')
      return outputRecord(record, record.value, synchronousCall(now), isDirect ? null : (this.#options.before ?? null))
    return { ...record, headers: [...record.headers.filter(({ key }) => !ownHeaders.has(key)), ...payloadHeaders(record.value)] }
  }

  /**
   * The answer that a record gives. Null if the record only tells that one way has no answer, and another way may still have one. If no way has an
   * answer, the answer is the first error of a bee. Without such an error, the answer tells which branch the request took.
   */
  #answerIn({ key: id, value, headers, timestamp }: Record<string, Payload>, before: RequestEntry | null): Payload | null {
    const unanswered = headerText(headers, unansweredHeader)
    if (value.kind !== 'error' || (unanswered === null && !isNotTaken(value))) return value
    const { context, entries, expiry } = this.parts
    const untaken = [...new Set([...(before?.untaken ?? []), unanswered ?? context.recordMetadata?.topic ?? ''])]
    const rank = refusalRank(value, unanswered !== null)
    const refusal = before?.refusal !== undefined && before.refusal.rank >= rank ? before.refusal : { error: value.error, rank }
    const gateway = before?.gateway || headerText(headers, gatewayHeader) || ''
    const { ways } = this.#options
    if (untaken.length >= (ways.get(gateway) ?? Math.max(1, ...ways.values()))) return { kind: 'error', error: refusal.error }
    if (before !== null) entries.put(id, { ...before, untaken, refusal })
    else {
      const open = { state: 'pending', settledAt: null, deadline: null, bodyHash: '', answer: null, replies: [], isAccepted: false } as const
      entries.put(id, { ...open, gateway, acceptedAt: timestamp, untaken, refusal })
      expiry.schedule(id, context.currentSystemTime)
    }
    return null
  }

  #due(id: string, isDue: (time: number) => boolean): void {
    const { context, entries, expiry } = this.parts
    const entry = entries.get(id)
    if (entry === null) return
    if (entry.state !== 'pending' || entry.deadline === null || !isDue(entry.deadline)) {
      expiry.expire(id, entry, context.currentSystemTime)
      return
    }
    const { bee, onFailure } = this.#options
    const detail = this.#deadlineDetail(context.currentSystemTime - entry.acceptedAt)
    onFailure?.(deadlinePassed(detail), failedAt({ key: id, value: null, timestamp: entry.acceptedAt, headers: [] }, bee, context.taskId, null))
    this.#decide(id, errorPayload({ code: 'WAGGLE_DEADLINE', detail, bee }), [], context.currentSystemTime)
  }

  /**
   * The message of a missed deadline. The message contains the waiting time, because an impossible time shows that the clocks of two machines differ.
   */
  #deadlineDetail(afterMs: number): string {
    const { waitsFor } = this.#options
    const needed = waitsFor.length === 0 ? '' : `; the answer needs ${waitsFor.join(', ')}`
    return `The deadline passed before there was an answer, ${(afterMs / 1000).toFixed(1)} s after the request was accepted${needed}`
  }
}

function foreignMessage(): WaggleError {
  return new WaggleError('WAGGLE_FOREIGN_RECORD', {
    message: 'The record does not describe a request in the form that Waggle writes',
    next: 'Find out who writes to this topic beside Waggle, and let nobody else write there.',
  })
}

/** Headers that describe a value or its way to the ledger. In an outcome, the answer's headers replace the request's headers of these names. */
const ownHeaders = new Set([contentTypeHeader, errorHeader, unansweredHeader])

/**
 * The rank of an error among the errors of one request. An error of a bee ranks before the choice of a branch. The choice of a branch ranks before
 * the silence of a bee.
 */
function refusalRank(error: ErrorPayload, isUnanswered: boolean): number {
  if (!isNotTaken(error)) return 2
  return isUnanswered ? 0 : 1
}

const nothing: Payload = { kind: 'json', json: null }
/** The most processes that can wait for one request. */
const maxReplies = 16

const keyReused: Payload = errorPayload({
  code: 'WAGGLE_KEY_REUSED',
  detail: 'This idempotency key came before, with another body. Use a new Idempotency-Key for a new request, or send the very same body again.',
  bee: '',
})

function isSame(a: ReplyTo, b: ReplyTo): boolean {
  return a.topic === b.topic && a.partition === b.partition && a.correlation === b.correlation && a.event?.mode === b.event?.mode
}
