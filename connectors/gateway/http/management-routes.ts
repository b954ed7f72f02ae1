import type { FastifyInstance, FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { type Management, managementLimits } from '../../../topology/swarm/management.ts'
import { ProblemError } from './problem.ts'
import { requestIdIn } from './request-id.ts'

/** Routes for operators: topics, records, traces, dead letters and models. `guardRoutes` guards them, and each names the permission that it needs. */
export function managementRoutes(app: FastifyInstance, management: Management): void {
  // A call that waits for records would delay the end of the process.
  app.addHook('preClose', () => management.close())

  app.get(
    '/v1/process',
    { config: { scope: 'read' }, schema: { ...tags, summary: 'The id of this run of the process, and the address of its ClickHouse' } },
    async (_, reply) => sendJson(reply, { instance: management.instance, clickhouse_url: await management.clickhouseUrl() }),
  )

  app.get('/v1/topics', { config: { scope: 'read' }, schema: { ...tags, summary: 'The topics of the log' } }, async (_, reply) =>
    sendJson(reply, await management.topics()),
  )

  app.get<{ Params: { topic: string }; Querystring: Query }>(
    '/v1/topics/:topic/records',
    { config: { scope: 'read' }, schema: { ...tags, summary: 'Records of a topic, decoded; a page a call', querystring: pageQuery } },
    async ({ params, query }, reply) => {
      const max = numberOf(query, 'max', { usual: 100, most: managementLimits.records })
      const waitMs = 1000 * numberOf(query, 'wait_seconds', { usual: 0, most: managementLimits.waitMs / 1000 })
      return sendJson(reply, await management.records(params.topic, { from: query.from ?? 'end', max, waitMs }))
    },
  )

  app.get<{ Querystring: Query }>(
    '/v1/dead-letters',
    { config: { scope: 'read' }, schema: { ...tags, summary: 'Inputs that failed, the newest first', querystring: lettersQuery } },
    async ({ query }, reply) => {
      const max = numberOf(query, 'max', { usual: 100, most: managementLimits.deadLetters })
      return sendJson(reply, await management.deadLetters({ swarm: query.swarm ?? null, max, after: query.after ?? null }))
    },
  )

  app.get<{ Params: { id: string } }>(
    '/v1/dead-letters/:id',
    { config: { scope: 'read' }, schema: { ...tags, summary: 'One dead letter with its content' } },
    async ({ params }, reply) => sendJson(reply, await management.deadLetter(params.id)),
  )

  app.post<{ Params: { id: string } }>(
    '/v1/dead-letters/:id/retry',
    { config: { scope: 'manage' }, schema: { ...tags, summary: 'Sends the input of a dead letter again' } },
    async ({ params }, reply) => sendJson(reply.code(202), await management.retry(params.id)),
  )

  app.delete<{ Params: { id: string } }>(
    '/v1/dead-letters/:id',
    { config: { scope: 'manage' }, schema: { ...tags, summary: 'Takes a dead letter out of the list' } },
    async ({ params }, reply) => {
      await management.discard(params.id)
      return reply.code(204).send()
    },
  )

  app.get<{ Querystring: Query }>(
    '/v1/requests',
    {
      config: { scope: 'read' },
      schema: { ...tags, summary: 'The requests of this process’s swarms, the newest first', querystring: requestsQuery },
    },
    async ({ query }, reply) => {
      const { swarm = null, gateway = null, key = null, after = null } = query
      const max = numberOf(query, 'max', { usual: 100, most: managementLimits.requests })
      const times = { from: timeOf(query, 'from'), to: timeOf(query, 'to') }
      return sendJson(reply, await management.requests({ swarm, gateway, key, after, max, state: stateIn(query.state), ...times }))
    },
  )

  app.get<{ Params: { id: string } }>(
    '/v1/requests/:id/trace',
    { config: { scope: 'read' }, schema: { ...tags, summary: 'The way of a request: each step with its place, its times and its batch' } },
    async ({ params }, reply) => sendJson(reply.header('x-request-id', requestIdIn(params.id)), await management.trace(params.id)),
  )

  app.get(
    '/v2/models',
    { config: { scope: 'read' }, schema: { ...tags, summary: 'The models that bees run, with their versions' } },
    async (_, reply) => sendJson(reply, await management.models()),
  )

  app.post<{ Params: { swarm: string; bee: string } }>(
    '/v2/models/:swarm/bees/:bee/reload',
    { config: { scope: 'manage' }, schema: { ...tags, summary: 'Looks for new versions of a bee’s model now' } },
    async ({ params }, reply) => sendJson(reply, await management.reloadModel(params.swarm, params.bee)),
  )
}

interface Query {
  readonly [name: string]: string | undefined
}

/** A whole number of at least 0 from the query string. */
function numberOf(query: Query, name: string, { usual, most }: { readonly usual: number; readonly most: number }): number {
  const text = query[name]
  if (text === undefined) return usual
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (number <= most) return number
  throw new ProblemError('WAGGLE_BAD_REQUEST', `${name} is a whole number of at most ${most}, not ${text.slice(0, 100)}`)
}

/** A time as epoch milliseconds or in ISO 8601; null without one. */
function timeOf(query: Query, name: string): number | null {
  const text = query[name]
  if (text === undefined) return null
  const time = /^\d{1,15}$/.test(text) ? Number(text) : /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(time)) return time
  throw new ProblemError('WAGGLE_BAD_REQUEST', `${name} is a time in milliseconds since 1970 or in ISO 8601, not ${text.slice(0, 100)}`)
}

function stateIn(text: string | undefined): 'pending' | 'answered' | 'failed' | null {
  if (text === undefined || text === 'pending' || text === 'answered' || text === 'failed') return text ?? null
  throw new ProblemError('WAGGLE_BAD_REQUEST', `state is pending, answered or failed, not ${text.slice(0, 100)}`)
}

export function sendJson(reply: FastifyReply, value: unknown): FastifyReply {
  return reply.header('content-type', 'application/json').header('cache-control', 'no-store').send(JSON.stringify(value))
}

const tags = { tags: ['management'] }
const pageQuery = Type.Object({
  from: Type.Optional(Type.String({ description: 'start, end, or next of the page before. Default: end.' })),
  max: Type.Optional(Type.String({ description: `At most so many records: ${managementLimits.records} or fewer.` })),
  wait_seconds: Type.Optional(Type.String({ description: 'How long to wait for a first record, where there is none: at most 30.' })),
})
const requestsQuery = Type.Object({
  swarm: Type.Optional(Type.String()),
  gateway: Type.Optional(Type.String()),
  state: Type.Optional(Type.String({ description: 'pending, answered or failed.' })),
  from: Type.Optional(Type.String({ description: 'The earliest time of acceptance, in epoch milliseconds or ISO 8601.' })),
  to: Type.Optional(Type.String({ description: 'The latest time of acceptance.' })),
  key: Type.Optional(Type.String({ maxLength: 1024, description: 'The Idempotency-Key, or the key of the record on the topic of an entrance.' })),
  after: Type.Optional(Type.String({ description: 'next of the page before.' })),
  max: Type.Optional(Type.String({ description: `At most so many: ${managementLimits.requests} or fewer.` })),
})
const lettersQuery = Type.Object({
  swarm: Type.Optional(Type.String()),
  max: Type.Optional(Type.String({ description: `At most so many: ${managementLimits.deadLetters} or fewer.` })),
  after: Type.Optional(Type.String({ description: 'next of the page before.' })),
})
