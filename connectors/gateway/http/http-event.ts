import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { contentTypeOf } from '../../../topology/swarm/payload/payload-serde.ts'
import {
  binaryEvent,
  type CloudEvent,
  cloudEventType,
  isBatch,
  isStructured,
  structuredEvent,
  structuredText,
} from '../../../topology/swarm/request/cloud-event.ts'
import { ProblemError } from './problem.ts'
import { bytesOf } from './request-state.ts'

/** A mode of the HTTP binding of CloudEvents: the attributes are headers (binary), or the body contains the whole event (structured). */
export type EventMode = 'binary' | 'structured'

/** The mode of the event in a request; null for a request that is not an event. Throws a ProblemError for a batch of events. */
export function eventModeOf(headers: IncomingHttpHeaders): EventMode | null {
  const contentType = headers['content-type'] ?? null
  if (isBatch(contentType))
    throw new ProblemError(
      'WAGGLE_CONTENT_TYPE',
      'Events come one by one: send each as a request of its own, or several inputs as application/x-ndjson',
    )
  if (isStructured(contentType)) return 'structured'
  return headers['ce-specversion'] === undefined ? null : 'binary'
}

/** The event of a request. Throws WAGGLE_BAD_CLOUD_EVENT. */
export function eventIn(mode: EventMode, headers: IncomingHttpHeaders, body: Uint8Array): CloudEvent {
  if (mode === 'structured') return structuredEvent(body)
  const attributes = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith('ce-') && typeof value === 'string' ? [[name.slice(3), decoded(value)] as const] : [],
  )
  return binaryEvent(new Map(attributes), body, headers['content-type'] ?? null)
}

export interface AnswerEvent {
  readonly mode: EventMode
  readonly gateway: string
  readonly requestId: string
  /** The event of the request. */
  readonly asked: CloudEvent
  /** The time of the answer, in epoch ms. */
  readonly now: number
}

/** Answers with an event, in the mode of the request's event. */
export function sendEvent(reply: FastifyReply, answer: Payload, { mode, gateway, requestId, asked, now }: AnswerEvent): FastifyReply {
  const attributes = new Map([
    ['specversion', '1.0'],
    ['id', requestId],
    ['source', `/v1/gateways/${gateway}`],
    ['type', 'waggle.answer'],
    ['time', new Date(now).toISOString()],
    ['causationid', asked.attributes.get('id') ?? ''],
  ])
  const [data, contentType] = [bytesOf(answer), contentTypeOf(answer)]
  if (mode === 'structured') return reply.header('content-type', cloudEventType).send(structuredText({ attributes, data, contentType }))
  for (const [name, value] of attributes) reply.header(`ce-${name}`, encoded(value))
  return reply.header('content-type', contentType).send(data)
}

/** Percent-encodes the characters that a header cannot have (HTTP binding, 3.1.3.2). */
function encoded(value: string): string {
  return value.replace(/[^\x21\x23\x24\x26-\x7e]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}

function decoded(value: string): string {
  const plain = value.startsWith('"') && value.endsWith('"') && value.length > 1 ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value
  try {
    return decodeURIComponent(plain.replace(/%(?![0-9a-fA-F]{2})/g, '%25'))
  } catch {
    throw new ProblemError('WAGGLE_BAD_CLOUD_EVENT', 'A ce- header is percent-encoded and no UTF-8')
  }
}
