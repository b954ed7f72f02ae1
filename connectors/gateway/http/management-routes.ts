import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { type LogManagement, managementLimits } from '../../../topology/swarm/log-management.ts'
import { CallerPlaces } from '../access/caller-places.ts'
import { jsonAnswer, nothing } from './described-route.ts'
import {
  deadLetter,
  deadLetterPage,
  modelRow,
  processAnswer,
  recordPage,
  replayPage,
  requestPage,
  requestTrace,
  retriedLetter,
  settledLetters,
  topicRows,
} from './management-answers.ts'
import { ProblemError } from './problem.ts'
import { requestIdIn } from './request-id-in-path.ts'

/**
 * Routes for operators: topics, records, traces, dead letters and models. Each route names the permission that it needs, and `guardRoutes` checks the
 * permission.
 */
export function managementRoutes(app: FastifyInstance, management: LogManagement): void {
  // Each of these calls reads many records, or waits for new records.
  const readers = new CallerPlaces({ max: maxReaders, what: 'calls read the log' })
  const read = async <T>({ caller }: FastifyRequest, work: () => Promise<T>): Promise<T> => {
    const leave = readers.take(caller.name)
    try {
      return await work()
    } finally {
      leave()
    }
  }

  // A call that waits for records would delay the end of the process.
  app.addHook('preClose', () => management.close())

  app.get(
    '/v1/process',
    {
      config: { scope: 'read' },
      schema: { ...tags, summary: 'The id of this run of the process, and the address of its ClickHouse', response: jsonAnswer(processAnswer) },
    },
    async (_, reply) => sendJson(reply, { instance: management.instance, clickhouse_url: await management.clickhouseUrl() }),
  )

  app.get(
    '/v1/topics',
    { config: { scope: 'read' }, schema: { ...tags, summary: 'The topics of the log', response: jsonAnswer(topicRows) } },
    async (_, reply) => sendJson(reply, await management.topics()),
  )

  app.get<{ Params: { topic: string }; Querystring: RecordsQuery }>(
    '/v1/topics/:topic/records',
    {
      config: { scope: 'read' },
      schema: {
        ...tags,
        summary: 'Records of a topic, decoded; a page a call',
        response: jsonAnswer(recordPage),
        params: topicParams,
        querystring: pageQuery,
      },
    },
    async (request, reply) => {
      const { params, query } = request
      const { from = 'end', max = usualMax, wait_seconds: waitSeconds = 0 } = query
      return sendJson(reply, await read(request, () => management.records(params.topic, { from, max, waitMs: waitSeconds * 1000 })))
    },
  )

  app.get<{ Querystring: LettersQuery }>(
    '/v1/dead-letters',
    {
      config: { scope: 'read' },
      schema: { ...tags, summary: 'Inputs that failed, the newest first', response: jsonAnswer(deadLetterPage), querystring: lettersQuery },
    },
    async (request, reply) => {
      const { query } = request
      const { swarm = null, code = null, max = usualMax, after = null } = query
      return sendJson(reply, await read(request, () => management.deadLetters({ swarm, code, max, after })))
    },
  )

  app.get<{ Params: { id: string } }>(
    '/v1/dead-letters/:id',
    {
      config: { scope: 'read' },
      schema: { ...tags, summary: 'One dead letter with its content', response: jsonAnswer(deadLetter), params: letterParams },
    },
    async ({ params }, reply) => sendJson(reply, await management.deadLetter(params.id)),
  )

  app.post<{ Params: { id: string } }>(
    '/v1/dead-letters/:id/retry',
    {
      config: { scope: 'manage' },
      schema: {
        ...tags,
        summary: 'Sends the input of a dead letter again',
        params: letterParams,
        response: jsonAnswer(retriedLetter, { status: 202, description: 'It is sent.' }),
      },
    },
    async ({ params }, reply) => sendJson(reply.code(202), await management.retry(params.id)),
  )

  for (const [verb, summary] of [
    ['retry', 'Sends the inputs of one page of dead letters again; those that fail stay'],
    ['discard', 'Takes one page of dead letters out of the list'],
  ] as const)
    app.post<{ Querystring: LettersQuery }>(
      `/v1/dead-letters/${verb}`,
      { config: { scope: 'manage' }, schema: { ...tags, summary, querystring: settleQuery, response: jsonAnswer(settledLetters) } },
      async (request, reply) => {
        const { swarm = null, code = null, max = managementLimits.settledLetters, after = null } = request.query
        return sendJson(reply, await read(request, () => management.settle(verb, { swarm, code, max, after })))
      },
    )

  app.delete<{ Params: { id: string } }>(
    '/v1/dead-letters/:id',
    { config: { scope: 'manage' }, schema: { ...tags, summary: 'Takes a dead letter out of the list', params: letterParams, response: nothing } },
    async ({ params }, reply) => {
      await management.discard(params.id)
      return reply.code(204).send()
    },
  )

  app.post<{ Params: { swarm: string }; Querystring: ReplayQuery }>(
    '/v1/swarms/:swarm/replay',
    {
      config: { scope: 'manage' },
      schema: {
        ...tags,
        summary: 'Sends one page of earlier requests to the swarm again, as new requests',
        params: replayParams,
        querystring: replayQuery,
        response: jsonAnswer(replayPage, { status: 202, description: 'They are sent.' }),
      },
    },
    async (request, reply) => {
      const { params, query } = request
      const { replay = null, gateway = null, after = null, max = usualMax, dry_run = 'false' } = query
      const options = { replay, gateway, after, max, from: timeOf(query, 'from'), to: timeOf(query, 'to'), dry_run: dry_run === 'true' }
      return sendJson(reply.code(202), await read(request, () => management.replay(params.swarm, options)))
    },
  )

  app.get<{ Querystring: RequestsQuery }>(
    '/v1/requests',
    {
      config: { scope: 'read' },
      schema: {
        ...tags,
        summary: 'The requests of this process’s swarms, the newest first',
        response: jsonAnswer(requestPage),
        querystring: requestsQuery,
      },
    },
    async (request, reply) => {
      const { query } = request
      const { swarm = null, gateway = null, key = null, after = null, state = null, max = usualMax } = query
      const times = { from: timeOf(query, 'from'), to: timeOf(query, 'to') }
      return sendJson(reply, await read(request, () => management.requests({ swarm, gateway, key, after, max, state, ...times })))
    },
  )

  app.get<{ Params: { id: string } }>(
    '/v1/requests/:id/trace',
    {
      config: { scope: 'read' },
      schema: {
        ...tags,
        summary: 'The way of a request: each step with its place, its times and its batch',
        response: jsonAnswer(requestTrace),
        params: requestParams,
      },
    },
    async (request, reply) => {
      const { id } = request.params
      return sendJson(reply.header('x-request-id', requestIdIn(id)), await read(request, () => management.trace(id)))
    },
  )

  app.get(
    '/v2/models',
    {
      config: { scope: 'read' },
      schema: { ...tags, summary: 'The models that bees run, with their versions', response: jsonAnswer(Type.Array(modelRow)) },
    },
    async (_, reply) => sendJson(reply, await management.models()),
  )

  app.post<{ Params: { swarm: string; bee: string } }>(
    '/v2/models/:swarm/bees/:bee/reload',
    {
      config: { scope: 'manage' },
      schema: { ...tags, summary: 'Looks for new versions of a bee’s model now', response: jsonAnswer(modelRow), params: modelParams },
    },
    async ({ params }, reply) => sendJson(reply, await management.reloadModel(params.swarm, params.bee)),
  )
}

const maxReaders = 64

interface RecordsQuery {
  readonly from?: string
  readonly max?: number
  readonly wait_seconds?: number
}

interface LettersQuery {
  readonly swarm?: string
  readonly code?: string
  readonly max?: number
  readonly after?: string
}

interface RequestsQuery {
  readonly swarm?: string
  readonly gateway?: string
  readonly state?: 'pending' | 'answered' | 'failed'
  readonly from?: string
  readonly to?: string
  readonly key?: string
  readonly after?: string
  readonly max?: number
}

interface ReplayQuery {
  readonly replay?: string
  readonly gateway?: string
  readonly from?: string
  readonly to?: string
  readonly after?: string
  readonly max?: number
  readonly dry_run?: 'true' | 'false'
}

/** A time as epoch milliseconds or in ISO 8601; null if the query does not name the time. */
function timeOf(query: Pick<RequestsQuery, 'from' | 'to'>, name: 'from' | 'to'): number | null {
  const text = query[name]
  if (text === undefined) return null
  const time = /^\d{1,15}$/.test(text) ? Number(text) : Date.parse(text)
  if (!Number.isNaN(time)) return time
  throw new ProblemError('WAGGLE_BAD_REQUEST', `${name} is a time in milliseconds since 1970 or in ISO 8601, not ${text.slice(0, 100)}`)
}

export function sendJson(reply: FastifyReply, value: unknown): FastifyReply {
  return reply.header('content-type', 'application/json').header('cache-control', 'no-store').send(JSON.stringify(value))
}

const usualMax = 100
const date = '\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])'
const clock = '([01]\\d|2[0-3]):[0-5]\\d(:[0-5]\\d(\\.\\d{1,3})?)?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)?'
const tags = { tags: ['management'] }
const name = (description: string) => Type.Optional(Type.String({ maxLength: 255, description }))
const time = (description: string) => Type.Optional(Type.String({ pattern: `^(\\d{1,15}|${date}(T${clock})?)$`, description }))
const count = (most: number, description: string) => Type.Optional(Type.Integer({ minimum: 0, maximum: most, description }))
const letter = '[A-Za-z0-9_-]{1,255}:\\d{1,9}:\\d{1,15}'
const letterParams = Type.Object({ id: Type.String({ maxLength: 300, description: 'Its id, as the list has it.' }) })
const topicParams = Type.Object({ topic: Type.String({ maxLength: 255 }) })
const requestParams = Type.Object({ id: Type.String({ maxLength: 255 }) })
const modelParams = Type.Object({ swarm: Type.String({ maxLength: 255 }), bee: Type.String({ maxLength: 255 }) })
const pageQuery = Type.Object({
  from: Type.Optional(
    Type.String({
      pattern: '^(start|end|\\d{1,9}:\\d{1,15}(,\\d{1,9}:\\d{1,15}){0,1023})$',
      description: 'start, end, or next of the page before. Default: end.',
    }),
  ),
  max: count(managementLimits.records, 'At most so many records.'),
  wait_seconds: count(managementLimits.waitMs / 1000, 'How long to wait for a first record, where there is none.'),
})
const requestsQuery = Type.Object({
  swarm: name('Of one swarm.'),
  gateway: name('Of one gateway.'),
  state: Type.Optional(Type.Enum(['pending', 'answered', 'failed'])),
  from: time('The earliest time of acceptance, in epoch milliseconds or ISO 8601.'),
  to: time('The latest time of acceptance.'),
  key: Type.Optional(
    Type.String({ minLength: 1, maxLength: 1024, description: 'The Idempotency-Key, or the key of the record on the topic of an entrance.' }),
  ),
  after: Type.Optional(Type.String({ pattern: '^\\d{1,15}:[\\x21-\\x7e]{1,512}$', description: 'next of the page before.' })),
  max: count(managementLimits.requests, 'At most so many.'),
})
const replayParams = Type.Object({ swarm: Type.String({ maxLength: 255 }) })
const replayQuery = Type.Object({
  replay: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9._-]{1,100}$',
      description: 'The name of the replay, which sends each request once. Default: a new name; a further page needs that of the first.',
    }),
  ),
  gateway: name('Of one gateway.'),
  from: time('The earliest time of acceptance, in epoch milliseconds or ISO 8601.'),
  to: time('The latest time of acceptance. Default: now; a further page needs that of the first.'),
  after: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9._-]{1,255}:\\d{1,9}:\\d{1,15}$', description: 'next of the page before.' })),
  max: Type.Optional(Type.Integer({ minimum: 1, maximum: managementLimits.replayed, description: 'At most so many.' })),
  dry_run: Type.Optional(Type.Enum(['true', 'false'], { description: 'true: names them, and sends none.' })),
})
const lettersQuery = Type.Object({
  swarm: name('Of one swarm.'),
  code: name('With this error code, such as WAGGLE_BEE_FAILED.'),
  max: count(managementLimits.deadLetters, 'At most so many.'),
  after: Type.Optional(
    Type.String({
      pattern: `^(-?\\d{1,22}(\\.\\d{1,20})?(e[+-]\\d{1,3})?:)?${letter}$`,
      description: 'next of the page before, or the id of a letter.',
    }),
  ),
})
const settleQuery = Type.Object({ ...lettersQuery.properties, max: count(managementLimits.settledLetters, 'At most so many.') })
