import { type Header, headerText, type NewRecord, textHeader } from '../../record.ts'
import type { Serializer } from '../../serde.ts'
import type { BeeError, Payload } from '../payload/payload.ts'
import { contentTypeOf, jsonType, payloadSerde } from '../payload/payload-serde.ts'
import { answerEvent, attributeHeaders, cloudEventType, type EventMode, structuredText } from './cloud-event.ts'
import {
  bodyHashHeader,
  contentTypeHeader,
  correlationHeader,
  errorHeader,
  replyPartitionHeader,
  replyStatusHeader,
  replyTopicHeader,
  requestIdHeader,
  requestStateHeader,
  springReplyPartitionHeader,
  springReplyTopicHeader,
} from './headers.ts'

/** The topic and partition that a request names for its answer. Both are determined once, when the request is accepted. */
export interface ReplyTo {
  readonly topic: string
  readonly partition: number
  /** Spring's `kafka_correlationId` in base64, returned unchanged; null if the request has none. */
  readonly correlation: string | null
  /** The CloudEvent that the request was. Its answer is an event in the same mode. Undefined for any other request. */
  readonly event?: { readonly mode: EventMode; readonly id: string; readonly gateway: string }
}

/** `unknown`: the ledger has no such request. */
export type RequestState = 'unknown' | 'pending' | 'answered' | 'failed'

/** An answer on its way to a reply topic. */
export interface Reply {
  readonly to: ReplyTo
  readonly payload: Payload
}

/**
 * The record for a reply topic: the answer, or the problem as the HTTP gateway would send it. Its key is the request id. The answer to a CloudEvent is
 * an event too, and a problem is none, as over HTTP.
 */
export function replyRecord(
  id: string,
  { to, state, payload, bodyHash, timestamp }: Reply & { readonly state: RequestState; readonly bodyHash: string; readonly timestamp: number },
): NewRecord<string, Reply> {
  const { event: asked, ...plain } = to
  if (asked !== undefined && state === 'answered' && payload.kind !== 'error') {
    const [data, contentType] = [payloadSerde.serialize('', payload), contentTypeOf(payload)]
    const event = answerEvent({ id, gateway: asked.gateway, causation: asked.id, time: timestamp, data, contentType })
    if (asked.mode === 'structured') {
      const whole: Payload = { kind: 'bytes', contentType: cloudEventType, bytes: Buffer.from(structuredText(event)) }
      return replyRecord(id, { to: plain, state, payload: whole, bodyHash, timestamp })
    }
    const record = replyRecord(id, { to: plain, state, payload, bodyHash, timestamp })
    return { ...record, headers: [...(record.headers ?? []), ...attributeHeaders(event)] }
  }
  const headers: Header[] = [
    textHeader(requestIdHeader, id),
    textHeader(requestStateHeader, state),
    textHeader(replyStatusHeader, String(payload.kind === 'error' ? payload.error.status : 200)),
    textHeader(contentTypeHeader, payload.kind === 'error' ? problemType : contentTypeOf(payload)),
  ]
  if (payload.kind === 'error') headers.push(textHeader(errorHeader, payload.error.code))
  if (bodyHash !== '') headers.push(textHeader(bodyHashHeader, bodyHash))
  if (to.correlation !== null) headers.push({ key: correlationHeader, value: Buffer.from(to.correlation, 'base64') })
  return { key: id, value: { to, payload: payload.kind === 'error' ? problemPayload(payload.error, id) : payload }, timestamp, headers }
}

export const replySerde: Serializer<Reply> & { deserialize(topic: string, data: Uint8Array): Payload } = {
  serialize: (topic, { payload }) => payloadSerde.serialize(topic, payload),
  deserialize: (topic, data) => payloadSerde.deserialize(topic, data, [textHeader(contentTypeHeader, jsonType)]),
}

/** The partition that a record names for its answer. Null if the record names none; NaN if the header is not a number. */
export function namedPartition(headers: readonly Header[]): number | null {
  const text = headerText(headers, replyPartitionHeader)
  if (text !== null) return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  const spring = headers.findLast(({ key }) => key === springReplyPartitionHeader)?.value
  if (!spring) return null
  // Spring writes an int of four bytes.
  return spring.length === 4 ? new DataView(spring.buffer, spring.byteOffset, 4).getInt32(0) : Number.NaN
}

/** The topic that a record names for its answer; null if the record names none. */
export function namedReplyTopic(headers: readonly Header[]): string | null {
  return headerText(headers, replyTopicHeader) ?? headerText(headers, springReplyTopicHeader)
}

export function correlationOf(headers: readonly Header[]): string | null {
  const value = headers.findLast(({ key }) => key === correlationHeader)?.value
  return value ? Buffer.from(value).toString('base64') : null
}

/** An error in the form of RFC 9457, in the same words as at the HTTP gateway. */
function problemPayload(error: BeeError, id: string): Payload {
  return { kind: 'error', error: { ...{ type: 'about:blank', request_id: id }, ...error } }
}

const problemType = 'application/problem+json'
