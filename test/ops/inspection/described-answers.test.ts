import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { moduleSwarm, ServerHere } from '../../support/server-here.ts'
import { eventually } from '../../support/swarm-here.ts'

interface Schema {
  readonly [part: string]: unknown
}
type Operations = ReadonlyMap<
  string,
  { readonly responses: { readonly [status: string]: { readonly content?: { readonly [type: string]: { readonly schema?: Schema } } } } }
>

/** The answer is what the swarm makes, so no schema can tell its form. */
const ofSwarms = 'POST /v1/gateways/{gateway}/request'

/** Each with the reason why the test below makes no successful call. */
const uncalled: ReadonlyMap<string, string> = new Map([
  ['GET /v1/requests/{id}/events', 'The answer is a stream.'],
  ['GET /v1/live', 'The answer is a stream.'],
  ['GET /metrics', 'The answer is a text.'],
  ['POST /v2/models/{swarm}/bees/{bee}/reload', 'The bee needs a model on the disk.'],
  ['GET /v1/predictions/{question}', 'The swarm needs a ClickHouse.'],
])

describe('The description of the API', () => {
  let server: ServerHere
  let operations: Operations

  before(async () => {
    server = await ServerHere.open({ WAGGLE_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64') })
    server.write('work.mjs', 'export default (input) => {\n  if (input.fail) throw new Error("it fails")\n  return input\n}\n')
    const { body } = await eventually(async () => {
      const answer = await server.call('GET', '/openapi.json')
      return answer.status === 200 ? answer : null
    })
    const { paths } = body as { readonly paths: { readonly [path: string]: { readonly [method: string]: never } } }
    operations = new Map(
      Object.entries(paths).flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
      ),
    )
  })
  after(() => server[Symbol.asyncDispose]())

  it('has a schema for each successful answer that has a body', () => {
    const without = [...operations].flatMap(([operation, { responses }]) =>
      Object.entries(responses).flatMap(([status, { content = {} }]) => {
        if (!/^2/.test(status) || status === '204' || operation === ofSwarms) return []
        const schemas = Object.values(content).map(({ schema = {} }) => schema)
        return schemas.length > 0 && schemas.every((schema) => Object.keys(schema).length > 0) ? [] : [`${operation} ${status}`]
      }),
    )
    assert.deepEqual(without, [])
  })

  it('has exactly the members of the answers that a server gives', async () => {
    const called = new Set<string>()
    const call = async (operation: string, path: string, body?: string): Promise<unknown> => {
      const [method = ''] = operation.split(' ')
      const type = body?.startsWith('{') === true ? 'application/json' : 'text/plain'
      const response = await fetch(`${server.url}${path}`, { method, ...(body === undefined ? {} : { body, headers: { 'content-type': type } }) })
      const sent = await response.text()
      const answer = { status: response.status, body: sent === '' ? null : (JSON.parse(sent) as unknown) }
      called.add(operation)
      const described = operations.get(operation)?.responses[answer.status]
      assert.ok(answer.status < 300 && described !== undefined, `${operation} answers ${answer.status}: ${JSON.stringify(answer.body)}`)
      const schema = described.content?.['application/json']?.schema
      if (schema !== undefined) {
        const ajv = new Ajv2020({ strict: false, validateFormats: false })
        assert.ok(ajv.validate(closed(schema), answer.body), `${operation}: ${ajv.errorsText()} in ${JSON.stringify(answer.body)}`)
      }
      return answer.body
    }
    const text = moduleSwarm('shelf', './work.mjs')
    await call('POST /v1/swarms', '/v1/swarms', text)
    await call('POST /v1/swarms/validate', '/v1/swarms/validate', text)
    await call('POST /v1/swarms/{swarm}/compare', '/v1/swarms/shelf/compare', text)
    await call(ofSwarms, '/v1/gateways/shelf/request', '{"a":1}')
    const { request_id: id } = (await call('POST /v1/gateways/{gateway}/submit', '/v1/gateways/shelf/submit', '{"fail":1}')) as {
      readonly request_id: string
    }
    const letter = await eventually(async () => {
      const { body } = await server.call('GET', '/v1/dead-letters')
      return (body as { readonly dead_letters: readonly { readonly id: string }[] }).dead_letters[0] ?? null
    })
    const infer = JSON.stringify({ inputs: [{ name: 'input', datatype: 'BYTES', shape: [1], data: ['{"a":1}'] }] })
    for (const [operation, path, body] of [
      ['GET /v1/requests/{id}', `/v1/requests/${id}`],
      ['GET /healthz', '/healthz'],
      ['GET /readyz', '/readyz'],
      ['GET /v2', '/v2'],
      ['GET /v2/health/live', '/v2/health/live'],
      ['GET /v2/health/ready', '/v2/health/ready'],
      ['GET /v2/models/{model}', '/v2/models/shelf'],
      ['GET /v2/models/{model}/ready', '/v2/models/shelf/ready'],
      ['POST /v2/models/{model}/infer', '/v2/models/shelf/infer', infer],
      ['GET /v2/models/{model}/versions/{version}', '/v2/models/shelf/versions/1'],
      ['GET /v2/models/{model}/versions/{version}/ready', '/v2/models/shelf/versions/1/ready'],
      ['POST /v2/models/{model}/versions/{version}/infer', '/v2/models/shelf/versions/1/infer', infer],
      ['GET /v1/swarms', '/v1/swarms'],
      ['GET /v1/swarms/{swarm}', '/v1/swarms/shelf'],
      ['PUT /v1/swarms/{swarm}', '/v1/swarms/shelf', text.replace('./work.mjs', 'work.mjs')],
      ['GET /v1/swarms/{swarm}/bees', '/v1/swarms/shelf/bees'],
      ['GET /v1/swarms/{swarm}/bees/{bee}', '/v1/swarms/shelf/bees/work'],
      ['GET /v1/swarms/{swarm}/bees/{bee}/logs', '/v1/swarms/shelf/bees/work/logs'],
      ['GET /v1/process', '/v1/process'],
      ['GET /v1/topics', '/v1/topics'],
      ['GET /v1/topics/{topic}/records', '/v1/topics/waggle.shelf.dead-letters/records?from=start'],
      ['GET /v1/dead-letters', '/v1/dead-letters'],
      ['GET /v1/dead-letters/{id}', `/v1/dead-letters/${letter.id}`],
      ['POST /v1/dead-letters/{id}/retry', `/v1/dead-letters/${letter.id}/retry`],
      ['POST /v1/swarms/{swarm}/replay', '/v1/swarms/shelf/replay?dry_run=true'],
      ['GET /v1/requests', '/v1/requests'],
      ['GET /v1/requests/{id}/trace', `/v1/requests/${id}/trace`],
      ['GET /v2/models', '/v2/models'],
      ['GET /v1/live/{swarm}', '/v1/live/shelf'],
      ['GET /v1/predictions', '/v1/predictions'],
      ['POST /v1/debug/profile', '/v1/debug/profile?seconds=1'],
      ['GET /v1/log-level', '/v1/log-level'],
      ['PUT /v1/log-level', '/v1/log-level', '{"level":"info"}'],
      ['GET /v1/secrets', '/v1/secrets'],
      ['PUT /v1/secrets/{name}', '/v1/secrets/KEY', 'value'],
      ['DELETE /v1/secrets/{name}', '/v1/secrets/KEY'],
      ['POST /v1/backups', '/v1/backups', JSON.stringify({ directory: join(server.root, 'backup') })],
    ] as const)
      await call(operation, path, body)
    const again = await eventually(async () => {
      const { body } = await server.call('GET', '/v1/dead-letters')
      return (body as { readonly dead_letters: readonly { readonly id: string }[] }).dead_letters[0] ?? null
    })
    await call('DELETE /v1/dead-letters/{id}', `/v1/dead-letters/${again.id}`)
    const ask = () =>
      fetch(`${server.url}/v1/gateways/shelf/request`, { method: 'POST', body: '{"fail":1}', headers: { 'content-type': 'application/json' } })
    for (let failed = 0; failed < 3; failed++) assert.equal((await ask()).status, 502)
    const other = await call('POST /v1/dead-letters/discard', '/v1/dead-letters/discard?code=WAGGLE_OTHER')
    assert.deepEqual(other, { settled: [], failed: [], next: null })
    const settle = '/v1/dead-letters/discard?swarm=shelf&code=WAGGLE_BEE_FAILED&max=2'
    const first = (await call('POST /v1/dead-letters/discard', settle)) as { readonly settled: readonly string[]; readonly next: string }
    assert.equal(first.settled.length, 2)
    const query = `after=${encodeURIComponent(first.next)}`
    const last = (await call('POST /v1/dead-letters/retry', `/v1/dead-letters/retry?${query}`)) as typeof first
    assert.deepEqual([last.settled.length, last.next], [1, null])
    await call('POST /v1/swarms/{swarm}/rollback', '/v1/swarms/shelf/rollback')
    await call('POST /v1/swarms/{swarm}/pause', '/v1/swarms/shelf/pause')
    await call('POST /v1/swarms/{swarm}/resume', '/v1/swarms/shelf/resume')
    await call('DELETE /v1/swarms/{swarm}', '/v1/swarms/shelf')
    assert.deepEqual([...operations.keys()].filter((operation) => !called.has(operation) && !uncalled.has(operation)).toSorted(), ofTokens)
    // From the first token on, every call needs a token.
    const created = await call('POST /v1/tokens', '/v1/tokens', '{"name":"robot","scopes":["manage"]}')
    const headers = { authorization: `Bearer ${(created as { readonly token: string }).token}` }
    const listed = await fetch(`${server.url}/v1/tokens`, { headers })
    const schema = operations.get('GET /v1/tokens')?.responses['200']?.content?.['application/json']?.schema
    assert.ok(schema !== undefined && new Ajv2020({ strict: false }).validate(closed(schema), await listed.json()))
    assert.equal((await fetch(`${server.url}/v1/tokens/robot`, { method: 'DELETE', headers })).status, 204)
  })
})

const ofTokens = ['DELETE /v1/tokens/{name}', 'GET /v1/tokens', 'POST /v1/tokens']

/** The schema without members that it does not name, so that a member that is missing from the description is found. */
function closed(schema: unknown): Schema {
  if (Array.isArray(schema)) return schema.map(closed) as unknown as Schema
  if (typeof schema !== 'object' || schema === null) return schema as Schema
  const parts = Object.fromEntries(Object.entries(schema).map(([part, value]) => [part, closed(value)]))
  return 'properties' in parts && !('additionalProperties' in parts) ? { ...parts, additionalProperties: false } : parts
}
