import type { FastifyInstance, FastifyReply } from 'fastify'
import { Type } from 'typebox'
import type { Clock } from '../../../processor/ports.ts'
import { type FollowedRequest, isLastEvent, type RequestEvent, type RequestEvents } from '../../../topology/swarm/request/request-events.ts'
import type { NewRequest, Requests } from '../../../topology/swarm/request/requests.ts'
import { type AnswerMemory, type Answers, wholeAnswer } from '../../../topology/swarm/request/whole-answers.ts'
import type { CallerPlaces } from '../access/caller-places.ts'
import { countAnswer, readerOf } from './answer-reader.ts'
import { callerText } from './caller-text.ts'
import { eventStreamAnswer, nothing } from './described-route.ts'
import { EventStream } from './event-stream.ts'
import { problemOf } from './problem.ts'
import { requestIdIn } from './request-id-in-path.ts'
import { shownAnswer, stateOf } from './request-state.ts'

interface EventRoutesOptions {
  readonly requests: Requests
  readonly answers: Answers
  readonly memory: AnswerMemory
  readonly events: RequestEvents
  readonly clock: Clock
  /** The places of callers that follow requests. */
  readonly followers: CallerPlaces
}

/** `GET /v1/requests/{id}/events`: the events of a request, as server-sent events. */
export function eventRoutes(app: FastifyInstance, options: EventRoutesOptions): void {
  const { events, clock, followers } = options
  const open = new Set<EventStream>()
  // A response without end would delay the end of the process. The caller continues at the next process.
  app.addHook('preClose', async () => {
    for (const stream of open) stream.end()
  })
  app.get<{ Params: { id: string } }>(
    '/v1/requests/:id/events',
    {
      // Nobody would read the body of an answer to HEAD, and its stream would follow the request without end.
      exposeHeadRoute: false,
      config: { scope: 'own' },
      schema: {
        tags: ['requests'],
        summary:
          'The events of a request: accepted, each bee that is done, each part that a bee publishes, a gap where parts are gone from the log, and the answer',
        params: Type.Object({ id: Type.String({ maxLength: 255 }) }),
        response: { ...eventStreamAnswer, ...nothing },
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ description: 'The id of the last event that the caller has.' })) }),
      },
    },
    async (request, reply) => {
      const id = requestIdIn(request.params.id)
      reply.header('x-request-id', id)
      const last = request.headers['last-event-id']
      const lastEventId = typeof last === 'string' ? last : null
      // A browser's EventSource stops reconnecting when it gets this status.
      if (lastEventId !== null && isLastEvent(lastEventId)) return reply.code(204).send()
      let followed: FollowedRequest | null = null
      const leave = followers.take(request.caller.name)
      const stream = new EventStream(clock, () => {
        leave()
        open.delete(stream)
        followed?.end()
      })
      open.add(stream)
      try {
        followed = await events.follow(id, lastEventId, (event) => {
          if (event.kind !== 'outcome') return sendEvent(stream, event, id)
          void answerWithState(stream, event.id, id, { ...options, reply })
          return true
        })
        if (stream.isClosed) followed.end()
      } catch (error) {
        stream.cut()
        throw error
      }
      return stream.answer(reply)
    },
  )
}

export function wantsEvents(accept: string | undefined): boolean {
  return accept !== undefined && /(^|,)\s*text\/event-stream\s*(;|,|$)/i.test(accept)
}

/** Sends a request and answers with its events. Throws errors from before the first event, such as a refusal. */
export async function streamedRequest(
  made: NewRequest,
  reply: FastifyReply,
  { requests, answers, memory, events, clock, followers }: EventRoutesOptions,
): Promise<FastifyReply> {
  const { id } = made
  let followed: FollowedRequest | null = null
  let begin = () => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const leave = followers.take(reply.request.caller.name)
  const stream = new EventStream(clock, () => {
    leave()
    followed?.end()
  })
  // The request may repeat an earlier request with the same key. The outcome then arrives before this request has been sent.
  const outcome = Promise.withResolvers<object>()
  try {
    followed = await events.await(made.gateway, id, (event) => {
      if (event.kind !== 'outcome') {
        begin()
        return sendEvent(stream, event, id)
      }
      void outcome.promise.then((state) => {
        countAnswer(reply, stream.send('answer', event.id, state), memory)
        stream.end()
      })
      return true
    })
    const requested = requests.request(made)
    const stated = requested.then(async (found) => stateOf(id, found, await wholeAnswer(answers, id, found.answer, () => readerOf(reply))))
    stated.then(
      (state) => outcome.resolve(state),
      (error: unknown) => outcome.resolve({ request_id: id, state: 'failed', answer: null, problem: problemOf(error, id) }),
    )
    await Promise.race([begun, requested])
  } catch (error) {
    stream.cut()
    throw error
  }
  void outcome.promise.then(() => followed?.finish())
  return stream.answer(reply)
}

/** Returns false if the stream accepts no further event. */
function sendEvent(stream: EventStream, event: RequestEvent, requestId: string): boolean {
  const shown = shownEvent(event, requestId)
  if (shown !== null) stream.send(shown.name, event.id, shown.data)
  if (event.kind === 'rest') stream.end()
  return !stream.isClosed
}

/** The name and the data of an event for callers; null for an event that callers do not get in this form. */
export function shownEvent(event: RequestEvent, requestId: string): { readonly name: string; readonly data: object } | null {
  if (event.kind === 'accepted') return { name: 'accepted', data: { request_id: requestId, gateway: event.gateway, accepted_at: event.accepted_at } }
  if (event.kind === 'part') {
    const { bee, number, rounds, part } = event.part
    return { name: 'part', data: { bee, number, ...(rounds === '' ? {} : { round: rounds }), part: shownAnswer(part) } }
  }
  if (event.kind === 'gap') return { name: 'gap', data: { request_id: requestId, detail: gapDetail } }
  if (event.kind !== 'bee') return null
  const { error } = event.step
  return { name: 'bee', data: { ...event.step, error: error === null ? null : { ...error, detail: callerText(error.detail) } } }
}

const gapDetail =
  'The log no longer has all parts of this request (WAGGLE_RETENTION_SECONDS), so some may be missing here: take the result from the answer'

/** The outcome is in the log first, and soon afterwards in the ledger. */
async function answerWithState(
  stream: EventStream,
  eventId: string,
  requestId: string,
  { requests, answers, memory, clock, reply }: EventRoutesOptions & { readonly reply: FastifyReply },
): Promise<void> {
  try {
    for (let tries = 0; tries < maxTries; tries++) {
      const found = await requests.find(requestId)
      if (found !== null && found.state !== 'pending') {
        const answer = found.answer === null ? null : await wholeAnswer(answers, requestId, found.answer, () => readerOf(reply))
        countAnswer(reply, stream.send('answer', eventId, stateOf(requestId, found, answer)), memory)
        break
      }
      await new Promise<void>((resolve) => void clock.after(pauseMs, resolve))
    }
    stream.end()
  } catch {
    // The caller reconnects at its last event, and gets the error if the error persists.
    stream.cut()
  }
}

const maxTries = 50
const pauseMs = 100
