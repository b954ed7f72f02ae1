import { type TSchema, Type } from 'typebox'
import { problemSchema } from './problem-schema.ts'

/** The parts of a route's schema that the description of the API (OpenAPI) is made from. */
export interface RouteSchema {
  readonly summary?: string
  readonly response?: { readonly [status: string]: unknown }
  readonly body?: unknown
  readonly consumes?: readonly string[]
  readonly [part: string]: unknown
}

/** A body that the route reads itself, because Fastify parses no bodies. */
export interface DescribedBody {
  readonly consumes: readonly string[]
  readonly schema: object
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body of the route, for the description of the API. */
    readonly body?: DescribedBody
    /** The exact schema of the headers, for the description of the API. The route checks the headers itself, because its errors say more. */
    readonly headers?: object
  }
}

/**
 * Completes the schema of a route for the description of the API: the body, the successful response, and the problem that every route may respond
 * with.
 */
export function describedRoute(
  schema: RouteSchema | undefined,
  { body, headers }: { readonly body?: DescribedBody; readonly headers?: object },
): RouteSchema {
  const { response = {}, ...rest } = schema ?? {}
  const hasGood = Object.keys(response).some((status) => /^[23]/.test(status))
  const good = hasGood ? {} : { 200: { description: rest.summary ?? 'The answer.' } }
  const problem = { description: 'What went wrong.', content: { 'application/problem+json': { schema: problemSchema } } }
  return {
    ...rest,
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body: body.schema, consumes: body.consumes }),
    response: { ...good, default: problem, ...response },
  }
}

/** A successful response that is JSON of this schema. The schema does not serialize the response. */
export function jsonAnswer(schema: TSchema, { status = 200, description = 'The answer.' } = {}): object {
  return { [status]: { description, content: { 'application/json': { schema } } } }
}

export function nullable<T extends TSchema>(schema: T) {
  return Type.Union([schema, Type.Null()])
}

/** A successful response with a content type other than JSON. */
export function answerOf(contentType: string, description: string, schema: TSchema = Type.String()): object {
  return { 200: { description, content: { [contentType]: { schema } } } }
}

/** A successful response that is a stream of server-sent events. The schema is of one event. */
export const eventStreamAnswer = answerOf(
  'text/event-stream',
  'Server-sent events.',
  Type.Object({ event: Type.String(), id: Type.Optional(Type.String()), data: Type.String({ description: 'JSON.' }) }),
)

/** The successful response of a route that returns no body. */
export const nothing = { 204: { type: 'null', description: 'Done.' } }
