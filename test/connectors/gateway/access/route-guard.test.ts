import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import fastify from 'fastify'
import { parseTokens } from '../../../../connectors/gateway/access/access-token.ts'
import { AccessTokens } from '../../../../connectors/gateway/access/access-tokens.ts'
import { noTokens } from '../../../../connectors/gateway/access/caller.ts'
import { guardRoutes, type ManagedCall } from '../../../../connectors/gateway/access/route-guard.ts'
import type { HttpGateway } from '../../../../connectors/gateway/http/http-gateway.ts'
import { openEchoGateway } from '../../../support/echo-gateway.ts'
import { connected, talk } from '../../../support/raw-http.ts'
import { requestIds } from '../../../support/request-ids.ts'
import { eventually } from '../../../support/swarm-here.ts'

const secrets = { asker: 'asker-0123456789', other: 'other-0123456789', reader: 'reader-0123456789', manager: 'manager-0123456789' }

/** A registry in which no token can be created. */
const registry = { list: () => [], create: () => assert.fail('no token is created here'), revoke: async () => {} }

describe('A gateway with tokens', () => {
  const tokens = new AccessTokens()
  const managed: ManagedCall[] = []
  let gateway: HttpGateway

  before(async () => {
    const { asker, other, reader, manager } = secrets
    tokens.replace(
      'settings',
      parseTokens(
        `asker=${asker}:ask:door; other=${other}:ask:window; reader=${reader}:read; manager=${manager}:manage; any=any-0123456789abc:ask:*`,
      ),
    )
    gateway = await openEchoGateway({
      callers: { areKnown: true, find: (token) => tokens.find(token) },
      tokens: registry,
      onManaged: (one) => managed.push(one),
    })
  })
  after(() => gateway.close())

  function call(method: string, path: string, authorization?: string, headers: { readonly [name: string]: string } = {}): Promise<Response> {
    const body = method === 'POST' ? { body: '"hello"' } : {}
    const auth = authorization === undefined ? {} : { authorization }
    return fetch(`${gateway.url}${path}`, { method, ...body, headers: { 'content-type': 'application/json', ...auth, ...headers } })
  }
  const ask = (authorization?: string, headers = {}) => call('POST', '/v1/gateways/door/request', authorization, headers)

  async function refusal(response: Response) {
    const { code, detail } = (await response.json()) as { readonly code: string; readonly detail: string }
    return { status: response.status, code, detail, challenge: response.headers.get('www-authenticate') }
  }

  it('answers a caller whose token has the scope of the gateway', async () => {
    const response = await ask(`Bearer ${secrets.asker}`)
    assert.deepEqual([response.status, await response.text()], [200, '"hello"'])
    assert.equal((await ask('bearer any-0123456789abc')).status, 200)
  })

  it('answers 401 with a challenge to a request without a token, and to a request with another scheme', async () => {
    const { detail, ...none } = await refusal(await ask())
    assert.match(detail, /Authorization: Bearer TOKEN/)
    assert.deepEqual(none, { status: 401, code: 'WAGGLE_TOKEN_MISSING', challenge: 'Bearer realm="waggle"' })
    for (const authorization of ['Basic YTpi', 'Bearer', 'Bearer a b', `Bearer "${secrets.asker}"`, secrets.asker])
      assert.equal((await refusal(await ask(authorization))).code, 'WAGGLE_TOKEN_MISSING', authorization)
  })

  it('answers 401 to a token that differs from a valid token in any way', async () => {
    const wrong = [`${secrets.asker}x`, secrets.asker.slice(0, -1), secrets.asker.toUpperCase(), 'wgl_unknown']
    for (const token of wrong) {
      const { status, code, challenge } = await refusal(await ask(`Bearer ${token}`))
      assert.deepEqual([status, code, challenge], [401, 'WAGGLE_TOKEN_UNKNOWN', 'Bearer realm="waggle", error="invalid_token"'], token)
    }
  })

  it('answers 403 with the missing scope to a token with other scopes', async () => {
    const said = await refusal(await ask(`Bearer ${secrets.other}`))
    assert.deepEqual([said.status, said.code], [403, 'WAGGLE_SCOPE_MISSING'])
    assert.equal(said.challenge, 'Bearer realm="waggle", error="insufficient_scope", scope="ask:door"')
    assert.match(said.detail, /ask:door/)
    assert.equal((await refusal(await call('GET', '/metrics', `Bearer ${secrets.asker}`))).challenge?.includes('scope="read"'), true)
    assert.equal((await refusal(await call('GET', '/v1/tokens', `Bearer ${secrets.reader}`))).challenge?.includes('scope="manage"'), true)
    assert.equal((await ask(`Bearer ${secrets.manager}`)).status, 403)
  })

  it('names no scope in the header of a refusal if the gateway’s name cannot be part of a scope', async () => {
    const response = await call('POST', '/v1/gateways/%22%0d%0ax-evil:%201/request', `Bearer ${secrets.asker}`)
    assert.equal(response.status, 403)
    assert.equal(response.headers.get('x-evil'), null)
    assert.equal(response.headers.get('www-authenticate'), 'Bearer realm="waggle", error="insufficient_scope"')
  })

  it('lets a reader read, and lets a manager read and manage', async () => {
    assert.equal((await call('GET', '/metrics', `Bearer ${secrets.reader}`)).status, 200)
    assert.equal((await call('GET', '/metrics', `Bearer ${secrets.manager}`)).status, 200)
    assert.equal((await call('GET', '/v1/tokens', `Bearer ${secrets.manager}`)).status, 200)
  })

  it('answers health checks without a token', async () => {
    for (const path of ['/healthz', '/readyz', '/openapi.json']) assert.equal((await call('GET', path)).status, 200, path)
  })

  it('shows a request to the caller who made it and to readers, and to no other caller', async () => {
    for (const headers of [{}, { 'idempotency-key': 'mine' }]) {
      const id = (await ask(`Bearer ${secrets.asker}`, headers)).headers.get('x-request-id')
      const statusFor = async (secret: string) => (await call('GET', `/v1/requests/${id}`, `Bearer ${secret}`)).status
      assert.deepEqual(
        [await statusFor(secrets.asker), await statusFor(secrets.other), await statusFor(secrets.reader), await statusFor(secrets.manager)],
        [200, 403, 200, 200],
      )
    }
    assert.equal((await call('GET', '/v1/requests/any-id', `Bearer ${secrets.asker}`)).status, 403)
  })

  it('gives two callers with the same idempotency key two requests', async () => {
    const idOf = async (authorization: string) => (await ask(authorization, { 'idempotency-key': 'shared' })).headers.get('x-request-id')
    const [first, again, another] = [
      await idOf(`Bearer ${secrets.asker}`),
      await idOf(`Bearer ${secrets.asker}`),
      await idOf('Bearer any-0123456789abc'),
    ]
    assert.equal(first, again)
    assert.notEqual(first, another)
  })

  it('refuses even a valid token in the URL', async () => {
    for (const name of ['access_token', 'token', 'ACCESS_TOKEN', 'api_key']) {
      const response = await call('POST', `/v1/gateways/door/request?a=1&${name}=${secrets.asker}`)
      assert.deepEqual([response.status, (await refusal(response)).code], [400, 'WAGGLE_TOKEN_IN_URL'], name)
    }
  })

  it('uses the first of two Authorization headers, and ignores the second', async () => {
    const head = `POST /v1/gateways/door/request HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 2\r\n`
    const [answer] = await talk(gateway.url, `${head}authorization: Bearer wrong-0123456789\r\nauthorization: Bearer ${secrets.asker}\r\n\r\n{}`)
    assert.equal(answer?.status, 401)
  })

  it('reports each call that manages something, even a refused call, and no other call', async () => {
    managed.length = 0
    await ask(`Bearer ${secrets.asker}`)
    await call('DELETE', '/v1/tokens/web%0Aforged?a=1', `Bearer ${secrets.manager}`)
    await call('DELETE', '/v1/tokens/web', `Bearer ${secrets.reader}`)
    await call('DELETE', '/v1/tokens/web')
    assert.deepEqual(
      managed.map(({ caller, method, path, status, isRefused }) => `${caller} ${method} ${path} ${status}${isRefused ? ' refused' : ''}`),
      ['token:manager DELETE /v1/tokens/web%0Aforged 204', 'token:reader DELETE /v1/tokens/web 403 refused', ' DELETE /v1/tokens/web 401 refused'],
    )
  })

  it('refuses a token as soon as the list of tokens no longer contains it', async () => {
    tokens.replace('brief', parseTokens('brief=brief-0123456789:ask:door'))
    assert.equal((await ask('Bearer brief-0123456789')).status, 200)
    tokens.replace('brief', [])
    assert.equal((await ask('Bearer brief-0123456789')).status, 401)
  })
})

describe('A gateway without tokens', () => {
  let gateway: HttpGateway
  before(async () => {
    gateway = await openEchoGateway({ tokens: registry })
  })
  after(() => gateway.close())

  it('answers everybody, and lets only callers on this machine manage', async () => {
    assert.equal((await fetch(`${gateway.url}/v1/gateways/door/request`, { method: 'POST', body: 'hello' })).status, 200)
    assert.equal((await fetch(`${gateway.url}/v1/tokens`)).status, 200)
    for (const header of [
      'forwarded',
      'via',
      'x-forwarded-for',
      'x-forwarded-proto',
      'x-forwarded-port',
      'x-real-ip',
      'x-client-ip',
      'cf-connecting-ip',
    ])
      assert.equal((await fetch(`${gateway.url}/v1/tokens`, { headers: { [header]: '10.0.0.1' } })).status, 403, header)
    assert.equal((await fetch(`${gateway.url}/metrics`, { headers: { 'x-forwarded-for': '10.0.0.1' } })).status, 200)
  })
})

it('A gateway also limits the rate of refused requests from an address, so that nobody can try tokens without end', async () => {
  const gateway = await openEchoGateway({ callers: { areKnown: true, find: () => null }, rateLimitPerSecond: 1 })
  try {
    const statusOf = async (path: string) => (await fetch(`${gateway.url}${path}`, { headers: { authorization: 'Bearer guess-0123456789' } })).status
    const statuses = await Promise.all(Array.from({ length: 12 }, () => statusOf('/v1/requests/1')))
    assert.deepEqual(new Set(statuses), new Set([401, 429]))
    assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200)
  } finally {
    await gateway.close()
  }
})

describe('The guard of routes', () => {
  it('refuses to register a route without a scope', async () => {
    const app = fastify()
    guardRoutes(app, { callers: noTokens, requestIds: requestIds() })
    assert.throws(() => app.get('/forgotten', () => ''), /The route \/forgotten has no scope/)
    app.get('/declared', { config: { scope: 'read' } }, () => '')
    await app.close()
  })

  it('reports a call that manages something even if its caller leaves before the answer', async () => {
    const managed: ManagedCall[] = []
    const app = fastify()
    guardRoutes(app, { callers: noTokens, requestIds: requestIds(), onManaged: (one) => managed.push(one) })
    const asked = Promise.withResolvers<void>()
    app.delete('/swarm', { config: { scope: 'manage' } }, async ({ raw }, reply) => {
      const left = once(raw.socket, 'close')
      asked.resolve()
      await left
      return reply.code(204).send()
    })
    const socket = await connected(await app.listen({ port: 0, host: '127.0.0.1' }))
    socket.write('DELETE /swarm HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await asked.promise
    socket.destroy()
    await eventually(async () => managed.length > 0)
    assert.deepEqual(
      managed.map(({ method, path, status, isRefused }) => `${method} ${path} ${status} ${isRefused}`),
      ['DELETE /swarm 204 false'],
    )
    await app.close()
  })
})
