import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { NewToken, TokenRow } from '../access/stored-token.ts'
import type { BodyLimits } from './body-limits.ts'
import { jsonAnswer, nothing } from './described-route.ts'
import { newTokenAnswer, tokenRows } from './management-answers.ts'
import { sendJson } from './management-routes.ts'
import { ProblemError } from './problem.ts'
import { readJson } from './request-body.ts'

/** The tokens that operators create and revoke. */
export interface TokenRegistry {
  list(): readonly TokenRow[]
  /** Throws WAGGLE_TOKEN_INVALID or WAGGLE_TOKEN_EXISTS. */
  create(name: string, scopes: readonly string[], priority?: number): Promise<NewToken>
  /** Throws WAGGLE_UNKNOWN_TOKEN. */
  revoke(name: string): Promise<void>
}

/** Routes for tokens. Only the response to the creation of a token contains the secret. */
export function tokenRoutes(app: FastifyInstance, tokens: TokenRegistry, bodies: BodyLimits): void {
  const tags = ['management']
  const name = Type.String({ minLength: 1, maxLength: 100 })
  const scope = Type.String({ pattern: '^(read|manage|ask:(\\*|[A-Za-z0-9._-]{1,255}))$' })
  const newToken = Type.Object(
    {
      name: Type.String({ pattern: '^[A-Za-z0-9._-]{1,100}$' }),
      scopes: Type.Array(scope, { minItems: 1 }),
      priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 9 })),
    },
    { additionalProperties: false },
  )

  app.get(
    '/v1/tokens',
    { config: { scope: 'manage' }, schema: { tags, summary: 'The tokens that were created here', response: jsonAnswer(tokenRows) } },
    async (_, reply) => sendJson(reply, tokens.list()),
  )

  app.post(
    '/v1/tokens',
    {
      config: { scope: 'manage', body: { consumes: ['application/json'], schema: newToken } },
      schema: {
        tags,
        summary: 'Creates a token ({name, scopes, priority}); the answer alone has its secret',
        response: jsonAnswer(newTokenAnswer, { status: 201, description: 'The token.' }),
      },
    },
    async (request, reply) => {
      const value = await readJson(request, reply, bodies)
      const { name, scopes, priority } = (value ?? {}) as { readonly name?: unknown; readonly scopes?: unknown; readonly priority?: unknown }
      const isOther = Object.keys(value ?? {}).some((key) => key !== 'name' && key !== 'scopes' && key !== 'priority')
      if (typeof name !== 'string' || !isTexts(scopes) || !(priority === undefined || typeof priority === 'number') || isOther)
        throw new ProblemError('WAGGLE_BAD_REQUEST', 'The body is {"name": TEXT, "scopes": [TEXT, …], "priority": 0 to 9 or nothing}')
      const made = await tokens.create(name, scopes, priority)
      request.target = made.name
      return sendJson(reply.code(201), made)
    },
  )

  app.delete<{ Params: { name: string } }>(
    '/v1/tokens/:name',
    { config: { scope: 'manage' }, schema: { tags, summary: 'Revokes a token at once', params: Type.Object({ name }), response: nothing } },
    async ({ params }, reply) => {
      await tokens.revoke(params.name)
      return reply.code(204).send()
    },
  )
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}
