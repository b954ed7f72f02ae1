import type { Clock } from '../../../processor/ports.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { contentTypeOf, jsonType } from '../../../topology/swarm/payload/payload-serde.ts'
import { type Answers, wholeAnswer } from '../../../topology/swarm/request/answers.ts'
import {
  type FollowedRequest,
  isLastEvent,
  maxLastEventId,
  type RequestEvent,
  type RequestEvents,
} from '../../../topology/swarm/request/request-events.ts'
import type { NewRequest, Requests } from '../../../topology/swarm/request/requests.ts'
import type { Callers } from '../access/caller.ts'
import type { CallerPlaces } from '../access/caller-places.ts'
import { missingToSee, scopeMissing } from '../access/known-caller.ts'
import { shownEvent } from '../http/event-routes.ts'
import { type Problem, ProblemError, problemOf, problemOfBee } from '../http/problem.ts'
import { checkedBody } from '../http/request-body.ts'
import { requestIdIn } from '../http/request-id-in-path.ts'
import { bytesOf } from '../http/request-state.ts'
import type { Intake } from '../intake.ts'
import type { RequestIds } from '../request-ids.ts'
import { askedRequest, type ReportedCall } from './asked-request.ts'
import { BeeFailure } from './bee-failure.ts'
import { EventQueue } from './event-queue.ts'
import { type AnswerStream, type GrpcCall, type GrpcMethods, stoppingProblem } from './grpc-service.ts'
import type { ReceivedInput } from './received-input.ts'

export interface GatewayServiceOptions {
  readonly requests: Requests
  readonly answers: Answers
  /** The events of requests. Undefined: requests cannot be followed. */
  readonly events?: RequestEvents
  readonly callers: Callers
  readonly requestIds: RequestIds
  readonly intake: Intake
  /** The places of callers that follow requests. */
  readonly followers: CallerPlaces
  readonly clock: Clock
  readonly report: ReportedCall
}

/** The methods of Waggle's own service: requests to gateways with any input, and the events of requests. */
export function gatewayMethods(options: GatewayServiceOptions): GrpcMethods {
  const { requests, answers: stored, callers, requestIds, clock } = options

  const whole = (id: string, answer: Payload, call: GrpcCall) => wholeAnswer(stored, id, answer, () => call.reader())

  function maySee({ caller }: GrpcCall, text: string): string {
    const id = requestIdIn(text)
    const missing = callers.areKnown ? missingToSee(id, caller, requestIds) : null
    if (missing !== null) throw scopeMissing(missing)
    return id
  }

  const follower = (): RequestEvents => {
    if (options.events !== undefined) return options.events
    throw new ProblemError('WAGGLE_NOT_FOUND', 'This server has no events of requests')
  }

  /** Admits the input of a call as a request, sends the request, and reports the outcome. */
  const asked = <T>(
    received: ReceivedInput<Input>,
    call: GrpcCall,
    kind: 'request' | 'submit',
    send: (request: NewRequest) => Promise<T>,
  ): Promise<T> => {
    const gateway = received.text('gateway')
    return options.report(gateway, kind, () =>
      askedRequest(call, { gateway, waits: kind === 'request', input: () => bodyOf(received.decode()), send }, options),
    )
  }

  return {
    Request: {
      takesInput: true,
      unary: (input: ReceivedInput<Input>, call) =>
        asked(input, call, 'request', async (request) => {
          const answer = await whole(request.id, (await requests.request(request)).answer, call)
          if (answer.kind === 'error') throw new BeeFailure(answer.error, request.id)
          return answerMessage(request.id, answer)
        }),
    },
    Submit: {
      takesInput: true,
      unary: (input: ReceivedInput<Input>, call) =>
        asked(input, call, 'submit', async (request) => ({ request_id: (await requests.submit(request)).id })),
    },
    RequestStream: {
      takesInput: true,
      stream: (input: ReceivedInput<Input>, call: GrpcCall, answers: AnswerStream) =>
        asked(input, call, 'request', async (request) => {
          const leave = options.followers.take(call.caller.name)
          const queue = new EventQueue<QueuedEvent>(call.signal)
          let followed: FollowedRequest | null = null
          let hasBegun = false
          try {
            const following = await follower().await(request.gateway, request.id, (event) => {
              hasBegun = true
              return push(queue, event, request.id)
            })
            followed = following
            const requested = requests.request(request)
            const settled = requested
              .then(async ({ answer }) => outcomeOf(request.id, await whole(request.id, answer, call)))
              .catch((error: unknown) => failedOutcome(request.id, problemOf(error, request.id)))
            void settled.then(() => following.finish())
            // An error before the first event becomes the status of the call.
            const refused = requested.then(
              () => never(),
              (error: unknown) => (hasBegun ? never() : Promise.reject(error)),
            )
            await Promise.race([sendEvents(queue, { answers, outcome: () => settled }), refused])
          } finally {
            leave()
            followed?.end()
          }
        }),
    },
    Events: {
      async stream({ request_id, last_event_id }: EventsRequest, call: GrpcCall, answers: AnswerStream) {
        const id = maySee(call, request_id)
        if (last_event_id.length > maxLastEventId)
          throw new ProblemError('WAGGLE_BAD_REQUEST', `last_event_id has more than ${maxLastEventId} characters`)
        if (isLastEvent(last_event_id)) return
        // The request continues if this process stops, and its caller can follow the request at the next process.
        const queue = new EventQueue<QueuedEvent>(AbortSignal.any([call.signal, call.stopping]))
        let followed: FollowedRequest | null = null
        const leave = options.followers.take(call.caller.name)
        try {
          followed = await follower().follow(id, last_event_id === '' ? null : last_event_id, (event) => push(queue, event, id))
          await sendEvents(queue, { answers, outcome: () => storedOutcome(id, call) })
        } finally {
          leave()
          followed?.end()
        }
      },
    },
    Get: {
      async unary({ request_id }: GetRequest, call: GrpcCall) {
        const id = maySee(call, request_id)
        const found = await requests.find(id)
        if (found === null) throw new ProblemError('WAGGLE_UNKNOWN_REQUEST', `There is no request ${id}, or it is older than answers are kept`)
        return found.answer === null ? { request_id: id, state: states.pending } : outcomeOf(id, await whole(id, found.answer, call))
      },
    },
  }

  /** The outcome of a request whose last event is in the log. The ledger gets the outcome shortly after the log. */
  async function storedOutcome(id: string, call: GrpcCall): Promise<object> {
    for (let tries = 0; tries < maxTries; tries++) {
      const found = await requests.find(id)
      if (found !== null && found.answer !== null) return outcomeOf(id, await whole(id, found.answer, call))
      await new Promise<void>((resolve) => void clock.after(pauseMs, resolve))
    }
    return { request_id: id, state: states.pending }
  }
}

/** A message `Event`. The event of the answer has no outcome yet. */
type QueuedEvent = { readonly id: string; readonly name: string; readonly json: string } | 'rest'

/** Adds an event in the form that the caller gets. Returns false if the queue accepts no more events. */
function push(queue: EventQueue<QueuedEvent>, event: RequestEvent, requestId: string): boolean {
  if (event.kind === 'rest') return queue.push('rest', 0)
  if (event.kind === 'outcome') return queue.push({ id: event.id, name: 'answer', json: '' }, event.id.length)
  const shown = shownEvent(event, requestId)
  if (shown === null) return true
  const json = JSON.stringify(shown.data)
  return queue.push({ id: event.id, name: shown.name, json }, event.id.length + json.length)
}

interface SentEvents {
  readonly answers: AnswerStream
  readonly outcome: () => Promise<object>
}

/** Sends events up to the last one. A slow caller delays only its own events. */
async function sendEvents(queue: EventQueue<QueuedEvent>, { answers, outcome }: SentEvents): Promise<void> {
  for await (const event of queue) {
    // The caller has to ask again, at any process.
    if (event === 'rest') throw new ProblemError('WAGGLE_OVERLOADED', 'This process cannot tell the rest of the events: ask with last_event_id', 1)
    if (event.name === 'answer') {
      await answers.send({ ...event, outcome: await outcome() })
      return
    }
    await answers.send(event)
  }
  if (queue.signal.aborted) throw stoppingProblem()
  throw new ProblemError('WAGGLE_OVERLOADED', 'The events came faster than the caller reads: go on with last_event_id', 1)
}

function bodyOf({ data, content_type }: Input) {
  return checkedBody(data, content_type === '' ? jsonType : content_type)
}

function answerMessage(id: string, answer: Payload): object {
  return { request_id: id, data: bytesOf(answer), content_type: contentTypeOf(answer) }
}

function outcomeOf(id: string, answer: Payload): object {
  if (answer.kind === 'error') return failedOutcome(id, problemOfBee(answer.error, id))
  return { request_id: id, state: states.answered, answer: answerMessage(id, answer) }
}

function failedOutcome(id: string, { code, status, title, detail, bee = '' }: Problem): object {
  return { request_id: id, state: states.failed, problem: { code, status, title, detail, bee } }
}

/** Returns a new promise that never settles. A shared promise would keep in memory every race that waited for it. */
function never(): Promise<never> {
  return new Promise(() => {})
}

/** The numbers of the enum `Outcome.State`. */
const states = { pending: 0, answered: 1, failed: 2 } as const
const maxTries = 50
const pauseMs = 100

interface Input {
  readonly gateway: string
  readonly data: Uint8Array
  readonly content_type: string
}

interface EventsRequest {
  readonly request_id: string
  readonly last_event_id: string
}

interface GetRequest {
  readonly request_id: string
}
