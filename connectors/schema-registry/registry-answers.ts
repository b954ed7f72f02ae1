import type { SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import type { RegistryAuth } from './registry-address.ts'
import type { SchemaKind } from './registry-client.ts'

export interface AnsweredSchema {
  readonly kind: SchemaKind
  readonly text: string
}

type Middleware = NonNullable<ConstructorParameters<typeof SchemaRegistry>[0]['middlewares']>[number]

/**
 * Middleware between the library and the network. It sets a time limit for each request, and reports the text of each schema. The library itself can
 * do neither.
 */
export function watchAnswers(auth: RegistryAuth | null, answered: (id: number, schema: AnsweredSchema) => void): Middleware {
  return () => ({
    async prepareRequest(next) {
      const request = await next()
      return request.enhance({ timeout: timeoutMs, headers: { accept: accepted, ...authorization(auth) } })
    },
    async response(next) {
      const answer = await next()
      const id = /\/schemas\/ids\/(\d+)$/.exec(answer.request().path())?.[1]
      const data: unknown = answer.data()
      const schema = id === undefined ? null : schemaIn(data)
      if (schema !== null) answered(Number(id), schema)
      return answer
    },
  })
}

const timeoutMs = 10_000
const accepted = 'application/vnd.schemaregistry.v1+json, application/json'

function authorization(auth: RegistryAuth | null): { readonly authorization?: string } {
  if (auth === null) return {}
  if ('token' in auth) return { authorization: `Bearer ${auth.token}` }
  return { authorization: `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}` }
}

/** The schema in a response; null if the response contains no schema. A response with an Avro schema has no `schemaType`. */
function schemaIn(data: unknown): AnsweredSchema | null {
  if (typeof data !== 'object' || data === null || !('schema' in data) || typeof data.schema !== 'string') return null
  const type = 'schemaType' in data ? data.schemaType : 'AVRO'
  const kind = kinds.find((one) => one === type)
  return kind === undefined ? null : { kind, text: data.schema }
}

const kinds: readonly SchemaKind[] = ['AVRO', 'JSON', 'PROTOBUF']
