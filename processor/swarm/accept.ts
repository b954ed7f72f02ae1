import { createHash } from 'node:crypto'
import type { Accept, AcceptedRequest, AskedRequest } from '../../topology/operators/accept.ts'
import type { Processor, ProcessorContext } from '../../topology/processor-api.ts'
import { type Header, headerText, type Record, type RecordMetadata, textHeader } from '../../topology/record.ts'
import { deadLetter } from '../../topology/swarm/dead-letter.ts'
import {
  acceptedHeader,
  asksHeader,
  bodyHashHeader,
  correlationHeader,
  deadlineOf,
  gatewayHeader,
  requestIdHeader,
  valueHeaders,
} from '../../topology/swarm/headers.ts'
import type { Payload } from '../../topology/swarm/payload.ts'
import { payloadHeaders } from '../../topology/swarm/payload-serde.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { replyToOf } from './reply-to.ts'

export class AcceptProcessor implements Processor<unknown, Payload | null, string, Payload> {
  readonly #operator: Accept
  #context: ProcessorContext<string, Payload> | null = null

  constructor(operator: Accept) {
    this.#operator = operator
  }

  init(context: ProcessorContext<string, Payload>): void {
    this.#context = context
  }

  process(record: Record<unknown, Payload | null>): void {
    const context = this.#context
    if (context === null) return
    const { gateway, bee, acceptedChild, requestChildren, deadLetterChild, replyTopics } = this.#operator
    const { timestamp } = record
    const given = headerText(record.headers, requestIdHeader)
    const isRefused = given !== null && !isRequestId(given)
    const key = given === null || isRefused ? derivedId(context.recordMetadata) : given
    const payload: Payload = record.value ?? { kind: 'bytes', bytes: new Uint8Array(0), contentType: 'application/octet-stream' }
    if (isRefused) {
      context.forward(deadLetter({ ...record, key, value: payload }, refusedId(given.length), bee, context), deadLetterChild)
      return
    }
    const replyTo = replyToOf(key, record.headers, replyTopics)
    const note = (value: AcceptedRequest | AskedRequest) => {
      const json: Payload = { kind: 'json', json: value }
      context.forward({ key, value: json, timestamp, headers: [...payloadHeaders(json), acceptedMark] }, acceptedChild)
    }
    if (replyTo instanceof WaggleError) {
      context.forward(deadLetter({ ...record, key, value: payload }, replyTo, bee, context), deadLetterChild)
    }
    const reply_to = replyTo instanceof WaggleError ? null : replyTo
    if (headerText(record.headers, asksHeader) !== null) {
      if (reply_to !== null) note({ asks: true, reply_to })
      context.commit()
      return
    }
    note({
      gateway,
      accepted_at: timestamp,
      deadline: deadlineOf(record.headers),
      body_hash: headerText(record.headers, bodyHashHeader) ?? '',
      reply_to,
    })
    const request = { key, value: payload, timestamp, headers: [...requestHeaders(record.headers, payload), textHeader(gatewayHeader, gateway)] }
    for (const child of requestChildren) context.forward(request, child)
  }
}

const acceptedMark = textHeader(acceptedHeader, '1')

/**
 * The ledger knows where the answer goes: what passes through bees says it no more. What bees say of their values is nothing that a caller may say; the content type
 * is the payload's own, which may be an error in place of what was sent.
 */
function requestHeaders(headers: readonly Header[], payload: Payload): readonly Header[] {
  const kept = headers.filter(
    ({ key }) => !key.startsWith('waggle-reply-') && !key.startsWith('kafka_reply') && !ofTheWay.has(key) && !valueHeaders.has(key),
  )
  return [...kept, ...payloadHeaders(payload)]
}

/** Bytes that are no UTF-8 become U+FFFD, and ids that differ would become one. */
function isRequestId(text: string): boolean {
  return text !== '' && text.length <= maxIdLength && !text.includes('\ufffd')
}

function refusedId(length: number): WaggleError {
  return new WaggleError('WAGGLE_REQUEST_ID', {
    message:
      length === 0 ? `The header ${requestIdHeader} is empty` : `The header ${requestIdHeader} is no text of at most ${maxIdLength} characters`,
    next: 'Send a short id of your own, or none.',
  })
}

const maxIdLength = 512
/** Between Waggle's own steps: a caller's say nothing. */
const ofTheWay: ReadonlySet<string> = new Set([correlationHeader, acceptedHeader, asksHeader])

/** The same record has the same id however often it is read: a UUID of version 8 (RFC 9562) made from its place. */
function derivedId(place: RecordMetadata | null): string {
  const hash = createHash('sha256').update(`${place?.topic}\n${place?.partition}\n${place?.offset}`).digest()
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  return hash.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
