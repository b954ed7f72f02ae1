import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { maxNameLength } from '../../secrets/encrypted-secrets.ts'
import type { BodyLimits } from './body-limits.ts'
import { jsonAnswer, nothing } from './described-route.ts'
import { secretRows } from './management-answers.ts'
import { sendJson } from './management-routes.ts'
import { ProblemError } from './problem.ts'

/** The stored secrets that operators manage. No method returns the value of a secret. */
export interface SecretRegistry {
  names(): readonly string[]
  /** Throws WAGGLE_SECRET_INVALID and WAGGLE_SECRETS_NOT_ENCRYPTED. */
  set(name: string, value: string): void
  /** Throws WAGGLE_UNKNOWN_SECRET. */
  delete(name: string): void
}

/** Routes for stored secrets. Callers can set a value but never read it. */
export function secretRoutes(app: FastifyInstance, secrets: SecretRegistry, bodies: BodyLimits): void {
  const tags = ['management']
  const params = Type.Object({ name: Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$', maxLength: maxNameLength }) })

  app.get(
    '/v1/secrets',
    { config: { scope: 'manage' }, schema: { tags, summary: 'The names of stored secrets', response: jsonAnswer(secretRows) } },
    async (_, reply) =>
      sendJson(
        reply,
        secrets.names().map((name) => ({ name })),
      ),
  )

  app.put<{ Params: { name: string } }>(
    '/v1/secrets/:name',
    {
      config: { scope: 'manage', body: { consumes: ['text/plain'], schema: Type.String({ minLength: 1 }) } },
      schema: { tags, summary: 'Stores the body, UTF-8 text of at most 64 KiB, as a secret', params, response: nothing },
    },
    async (request, reply) => {
      const bytes = await bodies.read(request.raw, reply.raw)
      secrets.set(request.params.name, textOf(bytes))
      return reply.code(204).send()
    },
  )

  app.delete<{ Params: { name: string } }>(
    '/v1/secrets/:name',
    { config: { scope: 'manage' }, schema: { tags, summary: 'Deletes a stored secret', params, response: nothing } },
    async ({ params: { name } }, reply) => {
      secrets.delete(name)
      return reply.code(204).send()
    },
  )
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new ProblemError('WAGGLE_BAD_BODY', 'The value of a secret is not UTF-8 text')
  }
}
