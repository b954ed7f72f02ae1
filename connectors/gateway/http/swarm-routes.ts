import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { mistakesIn } from '../../../topology/swarm/shown-mistakes.ts'
import { maxSwarmBytes } from '../../../topology/swarm/swarm-document.ts'
import { beeStates, type SwarmManagement, type SwarmText, swarmStates } from '../../../topology/swarm/swarm-management.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import type { BodyLimits } from './body-limits.ts'
import { type DescribedBody, nullable } from './described-route.ts'
import { sendJson } from './management-routes.ts'
import { ProblemError } from './problem.ts'
import { problemSchema } from './problem-schema.ts'

export interface SwarmRoutesOptions {
  readonly swarms: SwarmManagement
  readonly bodies: BodyLimits
}

/** Routes by which operators create, change and remove swarms, and look at their bees. The body of a swarm is the text of its file, YAML or JSON. */
export function swarmRoutes(app: FastifyInstance, { swarms, bodies }: SwarmRoutesOptions): void {
  // An operator must be able to pause a swarm while the process is overloaded.
  const pressureHandler = () => {}
  const read = { config: { scope: 'read', pressureHandler } } as const
  // The check of a swarm's text needs `manage`, because the check runs the modules and asks the databases that the text names, with the secrets that
  // it names.
  const manage = { config: { scope: 'manage', pressureHandler } } as const
  const manageText = { config: { ...manage.config, body: swarmText } } as const
  const text = (request: FastifyRequest<{ Querystring: TextQuery }>, reply: FastifyReply) => textOf(request, reply, bodies)

  app.get('/v1/swarms', { ...read, schema: about('The swarms of this server', { 200: Type.Array(swarmRow) }) }, async (_, reply) =>
    sendJson(reply, swarms.list()),
  )

  app.post<{ Querystring: TextQuery }>(
    '/v1/swarms',
    { ...manageText, schema: { ...about('Creates a swarm, and answers when it is ready', { 201: swarmRow }), querystring: textQuery } },
    async (request, reply) => {
      const created = await swarms.create(await text(request, reply))
      request.target = created.name
      return sendJson(reply.code(201).header('location', `/v1/swarms/${created.name}`), created)
    },
  )

  app.post<{ Querystring: TextQuery }>(
    '/v1/swarms/validate',
    { ...manageText, schema: { ...about('Checks a swarm, and names every mistake with its place', { 200: validated }), querystring: textQuery } },
    async (request, reply) => {
      const sent = await text(request, reply)
      try {
        const { name, bees, warnings } = await swarms.validate(sent)
        return sendJson(reply, { file: sent.file, valid: true, name, bees, mistakes: [], warnings })
      } catch (thrown) {
        if (!(thrown instanceof WaggleError)) throw thrown
        return sendJson(reply, { file: sent.file, valid: false, mistakes: mistakesIn(thrown), warnings: [] })
      }
    },
  )

  app.get<Named>(
    '/v1/swarms/:swarm',
    { ...read, schema: { ...about('One swarm with its text and its versions', { 200: swarmDetail }), params } },
    async (request, reply) => sendJson(reply, await swarms.get(request.params.swarm)),
  )

  app.put<Named & { Querystring: TextQuery & AcceptQuery & { reload?: string } }>(
    '/v1/swarms/:swarm',
    {
      ...manageText,
      schema: {
        ...about('Replaces a swarm by a new version, or creates it; the same text with the same files of code changes nothing', {
          200: updated,
          201: updated,
        }),
        params,
        querystring: Type.Intersect([textQuery, acceptQuery, reloadQuery]),
      },
    },
    async (request, reply) => {
      const { swarm } = request.params
      const isNew = swarms.list().every(({ name }) => name !== swarm)
      const row = await swarms.update(swarm, await text(request, reply), {
        accept: isYes(request.query.accept),
        reloadEverywhere: isYes(request.query.reload),
      })
      return sendJson(isNew ? reply.code(201).header('location', `/v1/swarms/${swarm}`) : reply, row)
    },
  )

  app.delete<Named & { Querystring: { purge?: string } }>(
    '/v1/swarms/:swarm',
    { ...manage, schema: { ...about('Stops a swarm and forgets it', { 204: null }), params, querystring: purgeQuery } },
    async (request, reply) => {
      await swarms.remove(request.params.swarm, { purge: isYes(request.query.purge) })
      return reply.code(204).send()
    },
  )

  app.post<Named>(
    '/v1/swarms/:swarm/pause',
    { ...manage, schema: { ...about('Stops a swarm, and keeps it', { 200: swarmRow }), params } },
    async (request, reply) => sendJson(reply, await swarms.pause(request.params.swarm)),
  )

  app.post<Named>(
    '/v1/swarms/:swarm/resume',
    { ...manage, schema: { ...about('Starts a paused swarm, or one that failed to start', { 200: swarmRow }), params } },
    async (request, reply) => sendJson(reply, await swarms.resume(request.params.swarm)),
  )

  app.post<Named & { Querystring: { version?: number } & AcceptQuery }>(
    '/v1/swarms/:swarm/rollback',
    {
      ...manage,
      schema: {
        ...about('Makes an earlier version the newest one', { 200: updated }),
        params,
        querystring: Type.Intersect([versionQuery, acceptQuery]),
      },
    },
    async (request, reply) => {
      const { version, accept } = request.query
      return sendJson(reply, await swarms.rollback(request.params.swarm, version ?? null, { accept: isYes(accept) }))
    },
  )

  app.post<Named & { Querystring: TextQuery }>(
    '/v1/swarms/:swarm/compare',
    { ...manageText, schema: { ...about('The effects of an edit, before anything moves', { 200: difference }), params, querystring: textQuery } },
    async (request, reply) => sendJson(reply, await swarms.compare(request.params.swarm, await text(request, reply))),
  )

  app.get<Named>(
    '/v1/swarms/:swarm/bees',
    { ...read, schema: { ...about('The bees of a swarm', { 200: Type.Array(beeRow) }), params } },
    async (request, reply) => sendJson(reply, swarms.bees(request.params.swarm)),
  )

  app.get<NamedBee>(
    '/v1/swarms/:swarm/bees/:bee',
    { ...read, schema: { ...about('One bee', { 200: beeRow }), params: beeParams } },
    async (request, reply) => sendJson(reply, swarms.bee(request.params.swarm, request.params.bee)),
  )

  app.get<NamedBee & { Querystring: { after?: number } }>(
    '/v1/swarms/:swarm/bees/:bee/logs',
    {
      ...read,
      schema: {
        ...about('The last lines of a bee in the log of this process', { 200: Type.Array(beeLine) }),
        params: beeParams,
        querystring: afterQuery,
      },
    },
    async (request, reply) => sendJson(reply, swarms.beeLog(request.params.swarm, request.params.bee, request.query.after ?? 0)),
  )
}

interface Named {
  Params: { swarm: string }
}

interface NamedBee {
  Params: { swarm: string; bee: string }
}

interface TextQuery {
  readonly file?: string
  readonly directory?: string
}

interface AcceptQuery {
  readonly accept?: string
}

async function textOf(request: FastifyRequest<{ Querystring: TextQuery }>, reply: FastifyReply, bodies: BodyLimits): Promise<SwarmText> {
  const bytes = await bodies.read(request.raw, reply.raw)
  if (bytes.length === 0) throw new ProblemError('WAGGLE_EMPTY_BODY', 'The body is empty: send the text of the swarm’s file as the body')
  if (bytes.length > maxSwarmBytes) throw new ProblemError('WAGGLE_BODY_TOO_LARGE', `A swarm has at most ${maxSwarmBytes} bytes`)
  const isJson = /^application\/(?:[\w.+-]+\+)?json\b/i.test(request.headers['content-type'] ?? '')
  const { file, directory } = request.query
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return { text, file: file ?? (isJson ? 'swarm.json' : 'swarm.yaml'), directory: directory ?? null }
  } catch {
    throw new ProblemError('WAGGLE_BAD_BODY', 'The text of a swarm is UTF-8, and this is not')
  }
}

function isYes(value: string | undefined): boolean {
  return value === 'true' || value === '1' || value === ''
}

/** Schemas for the OpenAPI page. They do not serialize responses. */
function about(summary: string, answers: { readonly [status: number]: object | null }): object {
  const good = Object.entries(answers).map(([status, schema]) => [
    status,
    { description: summary, ...(schema === null ? { type: 'null' } : { content: { 'application/json': { schema } } }) },
  ])
  const bad = { description: 'What went wrong.', content: { 'application/problem+json': { schema: problemSchema } } }
  return { tags: ['swarms'], summary, response: { ...Object.fromEntries(good), default: bad } }
}

const params = Type.Object({ swarm: Type.String({ maxLength: 255 }) })
const beeParams = Type.Object({ swarm: Type.String({ maxLength: 255 }), bee: Type.String({ maxLength: 255 }) })
const swarmText: DescribedBody = {
  consumes: ['application/yaml'],
  schema: Type.Unknown({ description: 'The text of a swarm file, YAML or JSON, of at most 1 MiB.' }),
}
const textQuery = Type.Object({
  file: Type.Optional(Type.String({ pattern: '^[\\w .-]{1,200}$', description: 'The name of the file in messages. Default: swarm.yaml.' })),
  directory: Type.Optional(
    Type.String({
      description: 'Where relative paths begin: a directory inside of the one in which the server was started. Default: that directory.',
    }),
  ),
})
const reloadQuery = Type.Object({
  reload: Type.Optional(
    Type.String({ description: 'true: the same text with the same files of code makes a new version too, which loads other changed files.' }),
  ),
})

const acceptQuery = Type.Object({ accept: Type.Optional(Type.String({ description: 'true: effects that need it are wanted.' })) })
const purgeQuery = Type.Object({ purge: Type.Optional(Type.String({ description: 'true: deletes its topics and its state too.' })) })
const versionQuery = Type.Object({
  version: Type.Optional(
    Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'Its number. Default: the one before the current one.' }),
  ),
})
const afterQuery = Type.Object({
  after: Type.Optional(
    Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'The sequence number of the last line that is known.' }),
  ),
})
const failure = Type.Object({ code: Type.String(), detail: Type.String(), next: Type.String() })
const row = {
  name: Type.String(),
  state: Type.Enum([...swarmStates]),
  version: nullable(Type.Integer()),
  source: Type.Enum(['api', 'file']),
  gateways: Type.Array(Type.String()),
  bees: Type.Integer(),
  created_at: nullable(Type.Number()),
  updated_at: nullable(Type.Number()),
  error: nullable(failure),
}
const swarmRow = Type.Object(row)
const updated = Type.Object({ ...row, changed: Type.Boolean(), remarks: Type.Array(Type.String()) })
const version = Type.Object({
  version: Type.Integer(),
  created_at: Type.Number(),
  current: Type.Boolean(),
  changed_files: nullable(
    Type.Array(Type.String(), {
      description: 'The files of code that are not as this version had them. null: the version has no hashes of its files.',
    }),
  ),
})
const swarmDetail = Type.Object({ ...row, definition: Type.String(), directory: nullable(Type.String()), versions: Type.Array(version) })
const mistake = Type.Object({
  file: nullable(Type.String()),
  line: nullable(Type.Integer()),
  column: nullable(Type.Integer()),
  code: Type.String(),
  message: Type.String(),
  next: Type.String(),
})
const validated = Type.Object({
  file: Type.String(),
  valid: Type.Boolean(),
  name: Type.Optional(Type.String()),
  bees: Type.Optional(Type.Integer()),
  mistakes: Type.Array(mistake),
  warnings: Type.Array(mistake),
})
const changes = Type.Object({ added: Type.Array(Type.String()), removed: Type.Array(Type.String()), changed: Type.Array(Type.String()) })
const difference = Type.Object({
  swarm: Type.String(),
  version: nullable(Type.Integer()),
  bees: changes,
  gateways: changes,
  topics: changes,
  stores: changes,
  files: Type.Array(Type.Object({ file: Type.String(), bees: Type.Array(Type.String()) })),
  needs_accept: Type.Array(Type.String()),
  requests_in_flight: Type.Integer({ description: 'The requests that this process has accepted, and whose outcome it does not know yet.' }),
  remarks: Type.Array(Type.String()),
})
const beeRow = Type.Object({
  swarm: Type.String(),
  name: Type.String(),
  type: Type.String(),
  inputs: Type.Array(Type.String()),
  state: Type.Enum([...beeStates]),
  instance: Type.String({ description: 'The run of the process that answers: the state and the counts are of this process alone.' }),
  spec: Type.Object({}, { additionalProperties: true }),
  gpu: Type.Integer(),
  replicas: Type.Integer(),
  max_replicas: Type.Integer(),
  timeout_seconds: nullable(Type.Number()),
  on_error: Type.Enum(['fail', 'skip']),
  results_total: Type.Integer(),
  refused_total: Type.Integer(),
  failed_total: Type.Integer(),
  calls_total: Type.Integer(),
  mean_call_seconds: nullable(Type.Number()),
})
const beeLine = Type.Object({
  sequence: Type.Integer(),
  time: Type.Number(),
  level: Type.String(),
  message: Type.String(),
  request_id: Type.Optional(Type.String({ description: 'The request during whose call the line was written, where it is known.' })),
})
