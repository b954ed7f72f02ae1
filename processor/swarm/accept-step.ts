import { createHash } from 'node:crypto'
import type { FailureListener } from '../../topology/failed-record.ts'
import type { ProcessorContext } from '../../topology/processor-api.ts'
import { type Header, headerText, type Record, type RecordMetadata, textHeader } from '../../topology/record.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { edgePayload, payloadHeaders, unreadable } from '../../topology/swarm/payload/payload-serde.ts'
import type { AcceptedRecord } from '../../topology/swarm/ports/tracing.ts'
import { attributeHeaders, eventIdOf, isStructured, structuredEvent } from '../../topology/swarm/request/cloud-event.ts'
import { deadLetter } from '../../topology/swarm/request/dead-letter.ts'
import {
  acceptedHeader,
  answeredHeader,
  asksHeader,
  bodyHashHeader,
  cachedRequestHeader,
  cacheKeysHeader,
  contentTypeHeader,
  correlationHeader,
  deadlineOf,
  gatewayHeader,
  replyPrefix,
  requestIdHeader,
  roundsHeader,
  springReplyPrefix,
  streamBeeHeader,
  unansweredHeader,
  valueHeaders,
} from '../../topology/swarm/request/headers.ts'
import type { LedgerMessage } from '../../topology/swarm/request/ledger-message.ts'
import type { ReplyTo } from '../../topology/swarm/request/reply.ts'
import type { ReplyTopics } from '../../topology/swarm/request/reply-topics.ts'
import { type TraceContext, traceContextOf, withTraceContext } from '../../topology/swarm/request/trace-context.ts'
import { uuidOf } from '../../topology/uuid.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { OpenedProcessor } from '../operators/opened-processor.ts'
import { failedAt } from './failed-at.ts'
import { replyToOf } from './reply-to.ts'

export interface AcceptOptions {
  readonly gateway: string
  readonly bee: string
  /** The child that takes the small accepted record. */
  readonly acceptedChild: string
  /** The children that take the request. */
  readonly requestChildren: readonly string[]
  /** The child that takes a record whose reply topic or partition cannot be used. */
  readonly deadLetterChild: string
  readonly replyTopics: ReplyTopics
  readonly onFailure: FailureListener
  /** Begins the trace of a record that has no trace. Undefined: spans are not recorded. */
  readonly beginTrace?: (record: AcceptedRecord) => TraceContext
}

type Context = ProcessorContext<string, Payload>

/**
 * Gives each record at a gateway its request id as key. The id comes from the header `waggle-request-id`. Without this header the id is made from
 * topic, partition and offset, so a record that is read again gets the same id. The step also writes a ledger message (`ledger-message.ts`) to the
 * accepted topic. The message says that the request is on its way, and which reply topic the request names.
 */
export class AcceptProcessor extends OpenedProcessor<unknown, Payload | null, string, Payload, Context> {
  readonly #options: AcceptOptions
  readonly #gatewayHeader: Header

  constructor(options: AcceptOptions) {
    super()
    this.#options = options
    this.#gatewayHeader = textHeader(gatewayHeader, options.gateway)
  }

  override open(context: Context): Context {
    return context
  }

  process(record: Record<unknown, Payload | null>): void {
    const context = this.parts
    const { gateway, bee, acceptedChild, requestChildren, deadLetterChild, replyTopics, onFailure } = this.#options
    const { timestamp } = record
    const given = headerText(record.headers, requestIdHeader)
    const isRefused = given !== null && !isRequestId(given)
    const key = given === null || isRefused ? derivedRequestId(context.recordMetadata) : given
    const value = record.value ?? { kind: 'bytes', bytes: new Uint8Array(0), contentType: 'application/octet-stream' }
    const { payload, attributes } = withoutEnvelope(value)
    const putAside = (cause: WaggleError) => {
      const input = { ...record, key, value: payload }
      onFailure(cause, failedAt(input, bee, context.taskId, context.recordMetadata))
      context.forward(deadLetter(input, cause, bee, context), deadLetterChild)
    }
    if (isRefused) {
      putAside(refusedId(given.length))
      return
    }
    const replyTo = replyToOf(key, record.headers, replyTopics)
    const tellLedger = (message: LedgerMessage) => {
      const json: Payload = { kind: 'json', json: message }
      context.forward({ key, value: json, timestamp, headers: acceptedHeaders }, acceptedChild)
    }
    if (replyTo instanceof WaggleError) putAside(replyTo)
    const reply_to = replyTo instanceof WaggleError || replyTo === null ? null : this.#asEvent(replyTo, record.headers, attributes)
    if (headerText(record.headers, asksHeader) !== null) {
      if (reply_to !== null) tellLedger({ asks: true, reply_to })
      context.commit()
      return
    }
    tellLedger({
      gateway,
      accepted_at: timestamp,
      deadline: deadlineOf(record.headers),
      body_hash: headerText(record.headers, bodyHashHeader) ?? '',
      reply_to,
    })
    const headers = requestHeaders(record.headers, payload)
    headers.push(...attributes, this.#gatewayHeader)
    const request = { key, value: payload, timestamp, headers: this.#traced(headers, key) }
    for (const child of requestChildren) context.forward(request, child)
  }

  /** Notes that the request is a CloudEvent. A process that asks for itself answers its own caller in the caller's mode. */
  #asEvent(to: ReplyTo, headers: readonly Header[], attributes: readonly Header[]): ReplyTo {
    const { gateway, replyTopics } = this.#options
    const mode = attributes.length > 0 ? 'structured' : 'binary'
    const id = replyTopics.isOwn(to.topic) ? null : eventIdOf(mode === 'structured' ? attributes : headers)
    return id === null ? to : { ...to, event: { mode, id, gateway } }
  }

  #traced(headers: readonly Header[], id: string): readonly Header[] {
    const { beginTrace, gateway } = this.#options
    if (beginTrace === undefined || traceContextOf(headers) !== null) return headers
    const { recordMetadata: place, currentSystemTime: at } = this.parts
    return withTraceContext(headers, beginTrace({ gateway, id, place, at }))
  }
}

/**
 * The data of a CloudEvent in the structured mode, with the event's attributes as headers. Bees therefore see events of both modes alike. Any other
 * payload stays as it is.
 */
function withoutEnvelope(value: Payload): { readonly payload: Payload; readonly attributes: readonly Header[] } {
  if (value.kind !== 'bytes' || !isStructured(value.contentType)) return { payload: value, attributes: [] }
  try {
    const event = structuredEvent(value.bytes)
    return { payload: edgePayload(event.data, [textHeader(contentTypeHeader, event.contentType)]), attributes: attributeHeaders(event) }
  } catch (thrown) {
    return { payload: unreadable(thrown), attributes: [] }
  }
}

/** The headers of each ledger message. */
const acceptedHeaders: readonly Header[] = [...payloadHeaders({ kind: 'json', json: null }), textHeader(acceptedHeader, '1')]

/**
 * The headers of the record that bees read. Reply headers are removed, because the ledger knows where the answer goes. Headers about a value are
 * removed, because only bees write them. The content type is the payload's own, because the caller's content type does not fit a payload that is an
 * error.
 */
function requestHeaders(headers: readonly Header[], payload: Payload): Header[] {
  const kept: Header[] = []
  for (const header of headers) {
    const { key } = header
    if (!key.startsWith(replyPrefix) && !key.startsWith(springReplyPrefix) && !internalHeaders.has(key) && !valueHeaders.has(key)) kept.push(header)
  }
  kept.push(...payloadHeaders(payload))
  return kept
}

/** Refuses U+FFFD. Decoding puts U+FFFD in the place of invalid UTF-8, so two different ids could become the same. */
function isRequestId(text: string): boolean {
  return text !== '' && text.length <= maxIdLength && !text.includes('\ufffd')
}

function refusedId(length: number): WaggleError {
  return new WaggleError('WAGGLE_REQUEST_ID', {
    message:
      length === 0 ? `The header ${requestIdHeader} is empty` : `The header ${requestIdHeader} is not a text of at most ${maxIdLength} characters`,
    next: 'Send a short id of your own, or none.',
  })
}

const maxIdLength = 512
/** Headers that only Waggle's own steps write. A caller's headers with these names are dropped. */
const internalHeaders: ReadonlySet<string> = new Set([
  correlationHeader,
  acceptedHeader,
  asksHeader,
  roundsHeader,
  cacheKeysHeader,
  cachedRequestHeader,
  answeredHeader,
  unansweredHeader,
  streamBeeHeader,
])

/** A UUIDv8 from the record's topic, partition and offset. A record that is read again gets the same id. */
export function derivedRequestId(place: RecordMetadata | null): string {
  return uuidOf(createHash('sha256').update(`${place?.topic}\n${place?.partition}\n${place?.offset}`).digest(), 8)
}
