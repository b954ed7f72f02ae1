import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Clock } from '../../../processor/ports.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { contentTypeOf, jsonType } from '../../../topology/swarm/payload/payload-serde.ts'
import { type AnswerMemory, type Answers, wholeAnswer } from '../../../topology/swarm/request/answers.ts'
import { attributeHeaders, identityOf, isBatch } from '../../../topology/swarm/request/cloud-event.ts'
import type { Durable } from '../../../topology/swarm/request/durable.ts'
import type { RequestEvents } from '../../../topology/swarm/request/request-events.ts'
import type { Accepted, NewRequest, Requests } from '../../../topology/swarm/request/requests.ts'
import type { CallerPlaces } from '../access/caller-places.ts'
import { type Arrival, type Intake, maxTimeoutSeconds } from '../intake.ts'
import { TracedArrival } from '../traced-arrival.ts'
import { readerOf } from './answer-reader.ts'
import type { BodyLimits } from './body-limits.ts'
import type { DescribedBody } from './described-route.ts'
import { answerEvents } from './event-batch.ts'
import { streamedRequest, wantsEvents } from './event-routes.ts'
import { type AnswerEvent, eventIn, eventModeOf, sendEvent } from './http-event.ts'
import { answerLines, answerOrderIn, isNdjson } from './ndjson-request.ts'
import { ProblemError, problemOfBee, sendProblem } from './problem.ts'
import { problemSchema } from './problem-schema.ts'
import { checkedBody, readBody } from './request-body.ts'
import { requestIdIn } from './request-id-in-path.ts'
import { bytesOf, stateOf } from './request-state.ts'
import { onResponseEnd } from './response-end.ts'

export interface RequestRoutesOptions {
  readonly requests: Requests
  readonly answers: Answers
  readonly memory: AnswerMemory
  readonly bodies: BodyLimits
  readonly intake: Intake
  readonly clock: Clock
  /** The events of requests. Undefined: callers cannot follow requests. */
  readonly events?: RequestEvents
  /** The places of callers that follow requests. */
  readonly followers: CallerPlaces
}

/** The routes of requests: `request`, `submit`, and the state of a request by its id. */
export function requestRoutes(app: FastifyInstance, options: RequestRoutesOptions): void {
  const { requests, answers, intake } = options

  app.post<GatewayRoute>(
    '/v1/gateways/:gateway/request',
    {
      config: { scope: 'ask', body: input, headers: askHeaders },
      schema: {
        ...entrance,
        querystring: orderQuery,
        summary: 'Sends an input and waits for the answer',
        response: responses('200', 'What the swarm’s respond bee got.', Type.Unknown(), '*/*'),
      },
      onRequest: guard(true),
    },
    async (request, reply) => {
      if (isNdjson(request.headers['content-type'])) return answerBatch(request, reply, options)
      if (isBatch(request.headers['content-type'] ?? null)) return answerEventBatch(request, reply, options)
      const { made, event } = await newRequest(request, reply, options, true)
      if (options.events !== undefined && wantsEvents(request.headers.accept))
        return streamedRequest(made, reply, { ...options, events: options.events })
      const { id, state, answer: stored } = await requests.request(made)
      const answer = await wholeAnswer(answers, id, stored, () => readerOf(reply))
      if (state === 'failed' || answer.kind === 'error') return sendFailure(reply, answer, id)
      if (event !== null) return sendEvent(reply, answer, { ...event, gateway: made.gateway, requestId: id, now: options.clock.now() })
      reply.header('content-type', contentTypeOf(answer))
      // Node sends a head and a text in one piece, but a head and bytes in two.
      return answer.kind === 'json' ? reply.serializer(asItIs).send(JSON.stringify(answer.json)) : reply.send(bytesOf(answer))
    },
  )

  app.post<GatewayRoute>(
    '/v1/gateways/:gateway/submit',
    {
      config: { scope: 'ask', body: input, headers: askHeaders },
      schema: {
        ...entrance,
        summary: 'Sends an input; the answer is asked for later',
        response: responses('202', 'The input is durable.', submitted),
      },
      onRequest: guard(false),
    },
    async (request, reply) => {
      if (isNdjson(request.headers['content-type']))
        throw new ProblemError('WAGGLE_CONTENT_TYPE', 'submit takes one input: send lines to request, which answers each')
      const { made } = await newRequest(request, reply, options, false)
      return sendAccepted(reply, await requests.submit(made))
    },
  )

  app.get<{ Params: { id: string } }>(
    '/v1/requests/:id',
    {
      config: { scope: 'own' },
      schema: {
        tags: ['requests'],
        summary: 'What became of a request',
        params: Type.Object({ id: Type.String({ maxLength: 255 }) }),
        response: responses('200', 'Its state, and its answer or problem.', requestState),
      },
    },
    async (request, reply) => {
      const id = requestIdIn(request.params.id)
      reply.header('x-request-id', id)
      const entry = await requests.find(id)
      if (entry === null) throw new ProblemError('WAGGLE_UNKNOWN_REQUEST', `There is no request ${id}, or it is older than answers are kept`)
      const answer = entry.answer === null ? null : await wholeAnswer(answers, id, entry.answer, () => readerOf(reply))
      return reply.header('content-type', 'application/json').send(JSON.stringify(stateOf(id, entry, answer)))
    },
  )

  /** Refuses a request before its body is read, so that a caller does not upload a large body in vain. `waits`: the caller waits for the answer. */
  function guard(waits: boolean): (request: FastifyRequest, reply: FastifyReply, done: () => void) => void {
    return (request, reply, done) => {
      const { gateway } = request.params as GatewayRoute['Params']
      onResponseEnd(request.raw, reply.raw, admitted(request, intake, { gateway, waits }))
      done()
    }
  }
}

interface GatewayRoute {
  Params: { gateway: string }
  Querystring: { order?: string }
}

/** Counts a request of the caller until the returned function is called. Throws a ProblemError if the request cannot be admitted now. */
function admitted(request: FastifyRequest, intake: Intake, arrival: Pick<Arrival, 'gateway' | 'waits' | 'hasPlace'>): () => void {
  return intake.admit({ ...arrival, caller: request.caller, priority: request.headers['x-priority'] })
}

interface MadeRequest {
  readonly made: NewRequest
  /** The CloudEvent in the request; null for any other request. */
  readonly event: Pick<AnswerEvent, 'mode' | 'asked'> | null
}

async function newRequest(
  request: FastifyRequest<GatewayRoute>,
  reply: FastifyReply,
  { intake, bodies }: RequestRoutesOptions,
  waits: boolean,
): Promise<MadeRequest> {
  const { gateway } = request.params
  const key = idempotencyKeyOf(request)
  const timeoutMs = timeoutOf(request.headers['x-timeout-seconds'])
  const mode = eventModeOf(request.headers)
  const common = { gateway, timeoutMs, waits, arrival: arrivalOf(request) }
  if (mode !== null) {
    const asked = eventIn(mode, request.headers, await bodies.read(request.raw, reply.raw))
    // Copies of an event are one request, because all copies have the same source and id.
    const identification = intake.identify({ gateway, caller: request.caller, key: key ?? identityOf(asked) })
    reply.header('x-request-id', identification.id)
    const made = intake.request({ ...common, identification, ...checkedBody(asked.data, asked.contentType) })
    return { made: { ...made, headers: attributeHeaders(asked) }, event: { mode, asked } }
  }
  const identification = intake.identify({ gateway, caller: request.caller, key, fresh: request.id })
  reply.header('x-request-id', identification.id)
  const body = await readBody(request, reply, bodies)
  return { made: intake.request({ ...common, identification, ...body }), event: null }
}

/** The parts that batches of lines and batches of events have in common. `keyAt` gives the idempotency key of a part; undefined if the batch has no key. */
function batchOf(request: FastifyRequest<GatewayRoute>, intake: RequestRoutesOptions['intake']) {
  const { gateway } = request.params
  const batchKey = idempotencyKeyOf(request)
  const common = { gateway, timeoutMs: timeoutOf(request.headers['x-timeout-seconds']), waits: true }
  return {
    gateway,
    common,
    keyAt: (index: number) => (batchKey === undefined || batchKey === '' ? undefined : `${batchKey}\n${index}`),
    options: {
      patienceMs: common.timeoutMs ?? usualPatienceMs,
      admit: (hasPlace: boolean) => admitted(request, intake, { gateway, waits: true, hasPlace }),
    },
  }
}

/** Answers each line of an NDJSON body. With an idempotency key, the key of each line is made from this key and the line's number. */
async function answerBatch(
  request: FastifyRequest<GatewayRoute>,
  reply: FastifyReply,
  { requests, answers, memory, intake, bodies, clock }: RequestRoutesOptions,
): Promise<FastifyReply> {
  const order = answerOrderIn(request.query.order)
  const { gateway, common, keyAt, options } = batchOf(request, intake)
  const body = await bodies.read(request.raw, reply.raw)
  return answerLines(body, request, reply, {
    requests,
    answers,
    memory,
    clock,
    order,
    ...options,
    requestOf: (line, index) => {
      const key = keyAt(index)
      const arrival = arrivalIn(request)
      const identification = intake.identify({ gateway, caller: request.caller, key })
      return { request: intake.request({ ...common, identification, arrival, ...checkedBody(line, jsonType) }), arrival }
    },
  })
}

/** Answers each event of a batch. Copies of an event are one request, unless the batch has an idempotency key. */
async function answerEventBatch(
  request: FastifyRequest<GatewayRoute>,
  reply: FastifyReply,
  { requests, answers, memory, intake, bodies, clock }: RequestRoutesOptions,
): Promise<FastifyReply> {
  const { gateway, common, keyAt, options } = batchOf(request, intake)
  const body = await bodies.read(request.raw, reply.raw)
  return answerEvents(body, request, reply, {
    requests,
    answers,
    memory,
    clock,
    gateway,
    ...options,
    requestOf: (event, index) => {
      const key = keyAt(index) ?? identityOf(event)
      const arrival = arrivalIn(request)
      const identification = intake.identify({ gateway, caller: request.caller, key })
      const made = intake.request({ ...common, identification, arrival, ...checkedBody(event.data, event.contentType) })
      return { request: { ...made, headers: attributeHeaders(event) }, arrival }
    },
  })
}

/** The trace of a request, which the request keeps for its answer. */
export function arrivalOf(request: FastifyRequest): TracedArrival {
  const arrival = arrivalIn(request)
  request.arrival = arrival
  return arrival
}

function arrivalIn(request: FastifyRequest): TracedArrival {
  const { traceparent, tracestate, baggage } = request.headers
  const text = (header: string | string[] | undefined) => (Array.isArray(header) ? header.join(',') : (header ?? null))
  const headers = { traceparent: text(traceparent), tracestate: text(tracestate), baggage: text(baggage) }
  return new TracedArrival(headers, request.url.split('?', 1)[0] ?? '')
}

export function idempotencyKeyOf({ headers }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key']
  return typeof key === 'string' ? key : undefined
}

export function timeoutOf(header: string | string[] | undefined): number | null {
  if (header === undefined) return null
  const seconds = Number(header)
  if (header.length > 0 && seconds > 0 && seconds <= maxTimeoutSeconds) return seconds * 1000
  throw new ProblemError('WAGGLE_BAD_HEADER', `X-Timeout-Seconds is a number above 0 and at most ${maxTimeoutSeconds}, not ${header}`)
}

/** Answers 202. The parameter is a `Durable`, so that no 202 is sent before the input is durable. */
function sendAccepted(reply: FastifyReply, { id }: Durable<Accepted>): FastifyReply {
  return reply.code(202).send({ request_id: id })
}

function sendFailure(reply: FastifyReply, answer: Payload, id: string): FastifyReply {
  if (answer.kind !== 'error') throw new ProblemError('WAGGLE_BEE_FAILED', 'A bee failed')
  return sendProblem(reply, problemOfBee(answer.error, id))
}

/**
 * The input of a gateway, which accepts every content type. There is no schema: JSON here has only doubles, without integers above 2^53, so a schema
 * by type would not be exact.
 */
const input: DescribedBody = {
  consumes: ['application/octet-stream'],
  schema: Type.String({
    format: 'binary',
    minLength: 1,
    description: 'The input, of any content type: application/json, image/jpeg, a form, bytes.',
  }),
}

const entrance = {
  tags: ['gateways'],
  params: Type.Object({ gateway: Type.String({ maxLength: 255, description: 'The gateway’s name, from the swarm’s gateway-input bee.' }) }),
  headers: Type.Object({
    'idempotency-key': Type.Optional(
      Type.String({ maxLength: 255, description: 'The same key again is the same request: it is computed once and its answer given again.' }),
    ),
    'x-timeout-seconds': Type.Optional(Type.String({ description: 'Deadline: past it the answer is 504 and no model sees the request any more.' })),
    'x-priority': Type.Optional(Type.String({ description: '0 to 9: an overloaded process sheds the lowest first. The token may lower it.' })),
    traceparent: Type.Optional(Type.String({ description: 'W3C Trace Context. It goes with the request through all bees.' })),
    baggage: Type.Optional(Type.String({ description: 'W3C Baggage, which goes with the request too.' })),
  }),
}

/** The headers of a request, as exactly as a pattern can describe them. */
const askHeaders = Type.Object({
  ...entrance.headers.properties,
  'x-timeout-seconds': Type.Optional(
    Type.String({
      pattern: '^(0\\.\\d{0,8}[1-9]|([1-9]\\d{0,3}|[1-7]\\d{4}|8[0-5]\\d{3}|86[0-3]\\d{2})(\\.\\d{1,9})?|86400)$',
      description: 'Deadline in seconds, at most 86400: past it the answer is 504 and no model sees the request any more.',
    }),
  ),
  'x-priority': Type.Optional(
    Type.String({ pattern: '^[0-9]$', description: 'An overloaded process sheds the lowest first. The token may lower it.' }),
  ),
})

const usualPatienceMs = 30_000

/** The serializer of a text that is JSON already. Without it Fastify would add a charset, which JSON does not have. */
const asItIs = (text: unknown): string => text as string

const orderQuery = Type.Object({
  order: Type.Optional(
    Type.String({ description: 'For lines (application/x-ndjson): input, or done for each answer as soon as it is there. Default: input.' }),
  ),
})
const submitted = Type.Object({ request_id: Type.String() })
const requestState = Type.Object({
  request_id: Type.String(),
  state: Type.Enum(['pending', 'answered', 'failed']),
  answer: Type.Unknown(),
  problem: Type.Union([problemSchema, Type.Null()]),
})

/** Schemas for the OpenAPI page. They do not serialize responses. */
function responses(status: string, description: string, body?: object, contentType = 'application/json'): object {
  return {
    [status]: { description, ...(body === undefined ? {} : { content: { [contentType]: { schema: body } } }) },
    default: { description: 'What went wrong.', content: { 'application/problem+json': { schema: problemSchema } } },
  }
}
