import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Clock } from '../../../processor/ports.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { contentTypeOf } from '../../../topology/swarm/payload/payload-serde.ts'
import type { Durable } from '../../../topology/swarm/request/durable.ts'
import type { RequestEvents } from '../../../topology/swarm/request/request-events.ts'
import type { Accepted, NewRequest, Requests } from '../../../topology/swarm/request/requests.ts'
import { type CallerLimits, highestPriority } from '../access/caller-limits.ts'
import type { Places } from '../access/places.ts'
import { bodyHashOf, type RequestIdentity } from '../request-identity.ts'
import type { BodyLimits } from './body-limits.ts'
import type { DescribedBody } from './described-route.ts'
import { streamedRequest, wantsEvents } from './event-routes.ts'
import { ProblemError, problemOfBee, sendProblem } from './problem.ts'
import { problemSchema } from './problem-schema.ts'
import { readBody } from './request-body.ts'
import { requestIdIn } from './request-id.ts'
import { bytesOf, stateOf } from './request-state.ts'
import { onResponseEnd } from './response-end.ts'

export interface RequestRoutesOptions {
  readonly requests: Requests
  readonly bodies: BodyLimits
  readonly identity: RequestIdentity
  readonly clock: Clock
  readonly requestTimeoutMs: number
  /** Undefined: requests cannot be followed. */
  readonly events?: RequestEvents
  /** The places of callers that follow a request. */
  readonly followers: Places
  /** Undefined: callers have no limits. */
  readonly limits?: CallerLimits
}

/** The routes of requests: `request`, `submit`, and a request's state by its id. */
export function requestRoutes(app: FastifyInstance, options: RequestRoutesOptions): void {
  const { requests, limits } = options

  app.post<GatewayRoute>(
    '/v1/gateways/:gateway/request',
    {
      config: { scope: 'ask', body: input, headers: askHeaders },
      schema: {
        ...entrance,
        summary: 'Sends an input and waits for the answer',
        response: answers('200', 'What the swarm’s respond bee got.', Type.Unknown(), '*/*'),
      },
      onRequest: guard(true),
    },
    async (request, reply) => {
      const made = await newRequest(request, reply, options, options.requestTimeoutMs)
      if (options.events !== undefined && wantsEvents(request.headers.accept))
        return streamedRequest(made, reply, { ...options, events: options.events })
      const { id, state, answer } = await requests.request(made)
      if (state === 'failed' || answer.kind === 'error') return sendFailure(reply, answer, id)
      return reply.header('content-type', contentTypeOf(answer)).send(bytesOf(answer))
    },
  )

  app.post<GatewayRoute>(
    '/v1/gateways/:gateway/submit',
    {
      config: { scope: 'ask', body: input, headers: askHeaders },
      schema: { ...entrance, summary: 'Sends an input; the answer is asked for later', response: answers('202', 'The input is durable.', submitted) },
      onRequest: guard(false),
    },
    async (request, reply) => {
      const made = await newRequest(request, reply, options, null)
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
        response: answers('200', 'Its state, and its answer or problem.', requestState),
      },
    },
    async (request, reply) => {
      const id = requestIdIn(request.params.id)
      reply.header('x-request-id', id)
      const entry = await requests.find(id)
      if (entry === null) throw new ProblemError('WAGGLE_UNKNOWN_REQUEST', `There is no request ${id}, or it is older than answers are kept`)
      return reply.header('content-type', 'application/json').send(JSON.stringify(stateOf(id, entry)))
    },
  )

  /** Refuses a request before its body is read, so that a caller does not upload a photo in vain. `waits`: the caller waits for the answer. */
  function guard(waits: boolean): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
    return async (request, reply) => {
      const { gateway } = request.params as GatewayRoute['Params']
      if (!requests.gateways.includes(gateway)) {
        throw new ProblemError('WAGGLE_UNKNOWN_GATEWAY', `There is no gateway ${gateway}; there is ${requests.gateways.join(', ') || 'none yet'}`)
      }
      const refusal = requests.refusal(gateway)
      if (refusal !== null) throw new ProblemError('WAGGLE_OVERLOADED', refusal.reason, refusal.retryAfterSeconds)
      const { name: caller, maxPriority } = request.caller
      const priority = Math.min(maxPriority, priorityOf(request.headers['x-priority']) ?? maxPriority)
      const release = limits?.admit({ caller, gateway, priority, waits })
      if (release !== undefined) onResponseEnd(request.raw, reply.raw, release)
    }
  }
}

interface GatewayRoute {
  Params: { gateway: string }
}

async function newRequest(
  request: FastifyRequest<GatewayRoute>,
  reply: FastifyReply,
  { identity, clock, requests, bodies }: RequestRoutesOptions,
  usualTimeoutMs: number | null,
): Promise<NewRequest> {
  const { gateway } = request.params
  const key = idempotencyKeyOf(request)
  const timeoutMs = timeoutOf(request.headers['x-timeout-seconds']) ?? usualTimeoutMs
  const { name: caller } = request.caller
  const id = key !== null ? identity.derived(gateway, caller, key) : caller === '' ? request.id : identity.fresh(caller)
  reply.header('x-request-id', id)
  const { bytes, contentType } = await readBody(request, reply, bodies)
  const refusal = requests.refusal(gateway)
  if (refusal !== null) throw new ProblemError('WAGGLE_OVERLOADED', refusal.reason, refusal.retryAfterSeconds)
  const { traceparent } = request.headers
  return {
    gateway,
    id,
    body: bytes,
    contentType,
    deadline: timeoutMs === null ? null : clock.now() + timeoutMs,
    // Without an idempotency key the id is new, so there is no other body to compare with.
    bodyHash: key === null ? '' : bodyHashOf(bytes, contentType),
    traceparent: typeof traceparent === 'string' ? traceparent : null,
  }
}

function idempotencyKeyOf(request: FastifyRequest<GatewayRoute>): string | null {
  const key = request.headers['idempotency-key']
  return typeof key === 'string' && key !== '' ? key : null
}

function timeoutOf(header: string | string[] | undefined): number | null {
  if (header === undefined) return null
  const seconds = Number(header)
  if (header.length > 0 && seconds > 0 && seconds <= maxTimeoutSeconds) return seconds * 1000
  throw new ProblemError('WAGGLE_BAD_HEADER', `X-Timeout-Seconds is a number above 0 and at most ${maxTimeoutSeconds}, not ${header}`)
}

function priorityOf(header: string | string[] | undefined): number | null {
  if (header === undefined) return null
  if (typeof header === 'string' && /^[0-9]$/.test(header)) return Number(header)
  throw new ProblemError('WAGGLE_BAD_HEADER', `X-Priority is a digit from 0, which is shed first, to ${highestPriority}`)
}

/** Answers 202. The parameter is a `Durable`, so that no 202 is sent before the input is durable. */
function sendAccepted(reply: FastifyReply, { id }: Durable<Accepted>): FastifyReply {
  return reply.code(202).send({ request_id: id })
}

function sendFailure(reply: FastifyReply, answer: Payload, id: string): FastifyReply {
  if (answer.kind !== 'error') throw new ProblemError('WAGGLE_BEE_FAILED', 'A bee failed')
  return sendProblem(reply, problemOfBee(answer.error, id))
}

const maxTimeoutSeconds = 86_400

/** A gateway takes every content type. JSON has numbers of double precision, without integers past 2^53, so a description by type would not be exact. */
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
    traceparent: Type.Optional(Type.String({ description: 'W3C Trace Context.' })),
  }),
}

/** The headers as exactly as a pattern can say it. */
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

const submitted = Type.Object({ request_id: Type.String() })
const requestState = Type.Object({
  request_id: Type.String(),
  state: Type.Enum(['pending', 'answered', 'failed']),
  answer: Type.Unknown(),
  problem: Type.Union([problemSchema, Type.Null()]),
})

/** Schemas for the OpenAPI page. They do not serialize responses. */
function answers(status: string, description: string, body?: object, contentType = 'application/json'): object {
  return {
    [status]: { description, ...(body === undefined ? {} : { content: { [contentType]: { schema: body } } }) },
    default: { description: 'What went wrong.', content: { 'application/problem+json': { schema: problemSchema } } },
  }
}
