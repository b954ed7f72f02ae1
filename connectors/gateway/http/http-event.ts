import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { contentTypeOf } from '../../../topology/swarm/payload/payload-serde.ts'
import {
  answerEvent,
  binaryEvent,
  type CloudEvent,
  cloudEventType,
  type EventMode,
  isBatch,
  isStructured,
  structuredEvent,
  structuredText,
} from '../../../topology/swarm/request/cloud-event.ts'
import { ProblemError } from './problem.ts'
import { bytesOf } from './request-state.ts'

/**
 * The mode of the event in a request; null for a request without an event. Throws a ProblemError for a batch of events, which only `answerEvents`
 * accepts.
 */
export function eventModeOf(headers: IncomingHttpHeaders): EventMode | null {
  const contentType = headers['content-type'] ?? null
  if (isBatch(contentType)) throw new ProblemError('WAGGLE_CONTENT_TYPE', 'submit takes one event: send a batch to request, which answers each')
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
  const event = eventOfAnswer(answer, { gateway, requestId, asked, now })
  if (mode === 'structured') return reply.header('content-type', cloudEventType).send(structuredText(event))
  for (const [name, value] of event.attributes) reply.header(`ce-${name}`, encoded(value))
  return reply.header('content-type', event.contentType).send(event.data)
}

export function eventOfAnswer(answer: Payload, { gateway, requestId, asked, now }: Omit<AnswerEvent, 'mode'>): CloudEvent {
  const [data, contentType] = [bytesOf(answer), contentTypeOf(answer)]
  return answerEvent({ id: requestId, gateway, causation: asked.attributes.get('id') ?? '', time: now, data, contentType })
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
