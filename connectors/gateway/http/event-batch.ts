import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { answerEvent, type CloudEvent, cloudEventBatchType, eventsIn, structuredText } from '../../../topology/swarm/request/cloud-event.ts'
import { readerOf } from './answer-reader.ts'
import { type AnsweredItem, BatchAnswers, type BatchOptions } from './batch-answers.ts'
import { eventOfAnswer } from './http-event.ts'
import { problemOfBee } from './problem.ts'

export interface EventBatchOptions extends Omit<BatchOptions<CloudEvent>, 'textOf' | 'order' | 'reader'> {
  readonly gateway: string
}

/**
 * Answers a batch of CloudEvents (the JSON batch format of the specification) with a batch that has one event for each event, in the same order. For
 * an event that failed, the answer has the type `waggle.problem` and the problem as its data. If one item of a batch is not an event, the whole batch
 * is refused.
 */
export function answerEvents(body: Uint8Array, request: FastifyRequest, reply: FastifyReply, options: EventBatchOptions): FastifyReply {
  const events = eventsIn(body)
  const textOf = (answered: AnsweredItem<CloudEvent>) => `${answered.index === 0 ? '' : ','}${structuredText(eventOf(answered, options))}`
  const answers = new BatchAnswers({ ...options, order: 'input', textOf, reader: () => readerOf(reply) }).of(events, request)
  return reply
    .header('content-type', cloudEventBatchType)
    .header('cache-control', 'no-store')
    .send(Readable.from(inBrackets(answers), { objectMode: true, highWaterMark: 1 }))
}

function eventOf({ item: asked, id, result }: AnsweredItem<CloudEvent>, { gateway, clock }: EventBatchOptions): CloudEvent {
  const now = clock.now()
  const failure = 'problem' in result ? result.problem : result.outcome.answer.kind === 'error' ? problemOfBee(result.outcome.answer.error, id) : null
  if (failure === null && 'outcome' in result) return eventOfAnswer(result.outcome.answer, { gateway, requestId: id, asked, now })
  const causation = asked.attributes.get('id') ?? ''
  const data = Buffer.from(JSON.stringify(failure))
  // A request that was refused at once has no id, and an event needs one.
  return answerEvent({ id: id || causation, gateway, causation, time: now, data, contentType: 'application/problem+json', type: 'waggle.problem' })
}

async function* inBrackets(texts: AsyncIterable<string | Uint8Array>): AsyncGenerator<string | Uint8Array> {
  yield '['
  yield* texts
  yield ']'
}
