import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import type { BeeRequest } from '../../../../bees/define-bee.ts'
import { noTokens } from '../../../../connectors/gateway/access/caller.ts'
import { type HttpGateway, type HttpGatewayOptions, openHttpGateway } from '../../../../connectors/gateway/http/http-gateway.ts'
import { openEmbeddedLog } from '../../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../../../connectors/system/system-random.ts'
import type { NewRequest, Requests } from '../../../../topology/swarm/request/requests.ts'
import { Refused, WaggleError } from '../../../../topology/waggle-error.ts'
import { type FunctionSwarm, startSwarm } from '../../../support/function-swarm.ts'
import { requestIds } from '../../../support/request-ids.ts'

const maxBodyBytes = 64 * 1024
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const yaml = `
name: doors
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: work, type: function, input: {name: entrance}}
  - {name: answer, type: respond, input: {name: work}}
`

describe('The HTTP gateway', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-gateway-'))
  const held: (() => void)[] = []
  let calls = 0
  let swarm: FunctionSwarm
  let gateway: HttpGateway

  before(async () => {
    const log = await openEmbeddedLog({ directory, clock: systemClock })
    swarm = await startSwarm({ clock: systemClock, random: new SystemRandom() }, log, yaml, { work }, new Map())
    gateway = await openHttpGateway(optionsFor(swarm.requests))
  })

  after(async () => {
    await gateway.close()
    await swarm.close()
    rmSync(directory, { recursive: true })
  })

  async function work(input: unknown, request: BeeRequest): Promise<unknown> {
    calls++
    if (input instanceof Uint8Array) return { contentType: request.contentType, bytes: Uint8Array.from(input).reverse() }
    const { refuse, fail, hold } = input as { refuse?: string; fail?: string; hold?: boolean }
    if (refuse !== undefined) throw new Refused(refuse)
    if (fail !== undefined) throw new Error(fail)
    if (hold) await new Promise<void>((resolve) => held.push(resolve))
    return { got: input }
  }

  function optionsFor(requests: Requests, more: Partial<HttpGatewayOptions> = {}): HttpGatewayOptions {
    return {
      requests,
      callers: noTokens,
      clock: systemClock,
      requestIds: requestIds(),
      host: '127.0.0.1',
      port: 0,
      requestTimeoutMs: 20_000,
      maxBodyBytes,
      maxBodiesBytes: 4 * maxBodyBytes,
      maxConnections: 1000,
      names: [],
      rateLimitPerSecond: null,
      notReady: () => null,
      onError: () => {},
      onAnswered: () => {},
      metrics: () => '',
      ...more,
    }
  }

  function post(path: string, body: string | Uint8Array<ArrayBuffer> | FormData, headers: { [name: string]: string } = {}): Promise<Response> {
    const type = typeof body === 'string' ? { 'content-type': 'application/json' } : {}
    return fetch(`${gateway.url}${path}`, { method: 'POST', body, headers: { ...type, ...headers } })
  }

  async function problem(
    response: Response,
  ): Promise<{ status: number; title: string; detail: string; code: string; request_id: string; bee?: string }> {
    assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/)
    const said = (await response.json()) as Awaited<ReturnType<typeof problem>>
    assert.equal(said.status, response.status)
    assert.equal(said.request_id, response.headers.get('x-request-id'))
    return said
  }

  async function settled(id: string): Promise<{ request_id: string; state: string; answer: unknown; problem: { status: number } | null }> {
    for (;;) {
      const found = await fetch(`${gateway.url}/v1/requests/${id}`)
      const entry = (await found.json()) as Awaited<ReturnType<typeof settled>>
      if (found.status === 200 && entry.state !== 'pending') return entry
    }
  }

  const entrance = '/v1/gateways/door/request'

  it('answers with the result of the respond bee, and with a request id', async () => {
    const response = await post(entrance, '{"a":1}')
    assert.equal(response.status, 200)
    assert.match(response.headers.get('x-request-id') ?? '', uuid)
    assert.deepEqual(await response.json(), { got: { a: 1 } })
  })

  it('accepts bytes of any content type, and returns bytes with their content type', async () => {
    const response = await post(entrance, Uint8Array.of(1, 2, 3), { 'content-type': 'application/x-own; v=1' })
    assert.equal(response.headers.get('content-type'), 'application/x-own; v=1')
    assert.deepEqual([...new Uint8Array(await response.arrayBuffer())], [3, 2, 1])
  })

  it('accepts the file of a multipart form as the input, and a form without a file as JSON', async () => {
    const form = new FormData()
    form.set('photo', new Blob([Uint8Array.of(9, 8)], { type: 'image/png' }), 'a.png')
    const file = await post(entrance, form)
    assert.equal(file.headers.get('content-type'), 'image/png')
    assert.deepEqual([...new Uint8Array(await file.arrayBuffer())], [8, 9])
    const fields = new FormData()
    fields.set('a', 'b')
    assert.deepEqual(await (await post(entrance, fields)).json(), { got: { a: 'b' } })
  })

  describe('with the content type that curl sends for -d', () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    for (const json of ['{"a":1}', ' \n [1,2]', '"text"', '\ufeff{"a":1}']) {
      it(`reads ${JSON.stringify(json)} as JSON`, async () => {
        assert.deepEqual(await (await post(entrance, json, form)).json(), { got: JSON.parse(json.replace('\ufeff', '')) })
      })
    }

    it('reads a form as an object of its fields', async () => {
      const answer = await post(entrance, 'a=b+c&d=%7B%C3%A9%26&e=&__proto__=f', { 'content-type': `${form['content-type']}; charset=UTF-8` })
      assert.equal(await answer.text(), '{"got":{"a":"b c","d":"{é&","e":"","__proto__":"f"}}')
    })

    for (const [what, body] of [
      ['a number', '22'],
      ['text', 'hello bear'],
      ['a broken percent code', 'a=%zz'],
      ['a field without a name', '=a'],
      ['a field without a value', 'a=1&b'],
      ['a picture', Uint8Array.of(0xff, 0xd8, 0x3d, 0x80)],
      ['a picture of ASCII bytes', Uint8Array.of(0x47, 0x49, 0x3d, 0x01)],
    ] as const) {
      it(`refuses ${what}, and says which content types to send`, async () => {
        const said = await problem(await post(entrance, body, form))
        assert.equal(said.code, 'WAGGLE_CONTENT_TYPE')
        assert.match(said.detail, /curl sends this type unless it is told another\. Send JSON with -H "content-type: application\/json"/)
      })
    }

    it('names the mistake in a body that only begins like JSON', async () => {
      assert.match((await problem(await post(entrance, '{name: bear}', form))).detail, /^The body is not JSON: /)
    })

    it('refuses a repeated field, and more than 100 fields', async () => {
      assert.match((await problem(await post(entrance, 'a=1&a=2', form))).detail, /has the field "a" twice/)
      const many = Array.from({ length: 101 }, (_, at) => `f${at}=1`).join('&')
      assert.equal((await problem(await post(entrance, many, form))).status, 413)
    })
  })

  it('answers a submit with 202 and an id under which the answer is found later', async () => {
    const response = await post('/v1/gateways/door/submit', '{"b":2}')
    assert.equal(response.status, 202)
    const { request_id: id } = (await response.json()) as { request_id: string }
    assert.equal(response.headers.get('x-request-id'), id)
    assert.deepEqual(await settled(id), { request_id: id, state: 'answered', answer: { got: { b: 2 } }, problem: null })
  })

  it('shows an unfinished request as pending', async () => {
    const { request_id: id } = (await (await post('/v1/gateways/door/submit', '{"hold":true}')).json()) as { request_id: string }
    const entry = (await (await fetch(`${gateway.url}/v1/requests/${id}`)).json()) as { state: string }
    assert.equal(entry.state, 'pending')
    const waiting = settled(id)
    while (held.length === 0) await new Promise(setImmediate)
    for (const release of held.splice(0)) release()
    assert.equal((await waiting).state, 'answered')
  })

  it('computes a request with an idempotency key once, and returns the stored answer to the second call', async () => {
    const before = calls
    const headers = { 'idempotency-key': 'once' }
    const first = await post(entrance, '{"c":3}', headers)
    const again = await post(entrance, '{"c":3}', headers)
    assert.equal(again.headers.get('x-request-id'), first.headers.get('x-request-id'))
    assert.deepEqual(await again.json(), await first.json())
    assert.equal(calls, before + 1)
  })

  it('derives the id from the idempotency key and the gateway’s secret: the same id after a restart, another id with another secret', async () => {
    const idOf = async (secret: Uint8Array) => {
      const open = await openHttpGateway(optionsFor(swarm.requests, { requestIds: requestIds({ secret }) }))
      const response = await fetch(`${open.url}/v1/gateways/door/submit`, { method: 'POST', body: '{}', headers: { 'idempotency-key': 'guessed' } })
      await open.close()
      return response.headers.get('x-request-id')
    }
    const secret = new SystemRandom().bytes(32)
    const id = await idOf(secret)
    assert.match(id ?? '', uuid)
    assert.equal(await idOf(secret), id)
    assert.notEqual(await idOf(new SystemRandom().bytes(32)), id)
  })

  it('answers 422 if an idempotency key is used again with another body', async () => {
    const headers = { 'idempotency-key': 'reused' }
    await post(entrance, '{"c":3}', headers)
    const said = await problem(await post(entrance, '{"c":4}', headers))
    assert.equal(said.status, 422)
    assert.equal(said.code, 'WAGGLE_KEY_REUSED')
  })

  it('answers 422 if a bee refuses the input and 502 if the bee fails, with the bee’s name', async () => {
    const refused = await problem(await post(entrance, '{"refuse":"too blurred"}'))
    assert.deepEqual([refused.status, refused.detail, refused.bee], [422, 'too blurred', 'work'])
    const failed = await problem(await post(entrance, '{"fail":"out of memory"}'))
    assert.deepEqual([failed.status, failed.bee], [502, 'work'])
    assert.match(failed.detail, /out of memory/)
  })

  it('answers 504 at the caller’s deadline, both to the request and to a query for its id', async () => {
    const said = await problem(await post(entrance, '{"hold":true}', { 'x-timeout-seconds': '0.2' }))
    assert.equal(said.status, 504)
    assert.equal((await settled(said.request_id)).problem?.status, 504)
    for (const release of held.splice(0)) release()
  })

  it('refuses a malformed deadline', async () => {
    for (const seconds of ['soon', '0', '-1', '86401', '']) {
      const said = await problem(await post(entrance, '{}', { 'x-timeout-seconds': seconds }))
      assert.equal(said.status, 400, seconds)
      assert.match(said.detail, /X-Timeout-Seconds/)
    }
  })

  it('answers 405 with Allow to a known path with another method, and 404 to an unknown path', async () => {
    for (const { method, path, allow } of [
      { method: 'GET', path: '/v1/gateways/door/request', allow: 'POST' },
      { method: 'PUT', path: '/v1/gateways/door/submit?x=1', allow: 'POST' },
      { method: 'POST', path: '/v1/requests/some-id', allow: 'GET, HEAD' },
      { method: 'DELETE', path: '/healthz', allow: 'GET, HEAD' },
    ]) {
      const response = await fetch(`${gateway.url}${path}`, { method })
      assert.deepEqual([response.status, response.headers.get('allow')], [405, allow], path)
      assert.equal(((await response.json()) as { readonly code: string }).code, 'WAGGLE_METHOD_NOT_ALLOWED')
    }
    const nowhere = await fetch(`${gateway.url}/v1/gateways/door`)
    assert.deepEqual([nowhere.status, nowhere.headers.get('allow')], [404, null])
  })

  it('refuses an empty body and malformed JSON, and names the place of the mistake', async () => {
    assert.equal((await problem(await post(entrance, '', {}))).code, 'WAGGLE_EMPTY_BODY')
    const said = await problem(await post(entrance, '{"a":'))
    assert.equal(said.status, 400)
    assert.match(said.detail, /not JSON: .*end of JSON/)
    assert.equal((await problem(await post(entrance, Uint8Array.of(0x22, 0xff, 0x22), { 'content-type': 'application/json' }))).status, 400)
  })

  it('refuses a body over the limit with 413, with and without a Content-Length', async () => {
    const large = new Uint8Array(maxBodyBytes + 1)
    assert.equal((await problem(await post(entrance, large, { 'content-type': 'image/jpeg' }))).status, 413)
    const form = new FormData()
    form.set('photo', new Blob([large]), 'a')
    assert.equal((await problem(await post(entrance, form))).status, 413)
    const { hostname, port } = new URL(gateway.url)
    const chunked = `POST ${entrance} HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/jpeg\r\ntransfer-encoding: chunked\r\n\r\n`
    const heard = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(chunked)
        for (let at = 0; at < 20; at++) socket.write(`1000\r\n${'x'.repeat(0x1000)}\r\n`)
      })
      socket.once('data', (data) => {
        socket.destroy()
        resolve(data.toString())
      })
      socket.on('error', () => {})
    })
    assert.match(heard, /^HTTP\/1.1 413 /)
  })

  it('answers 415 to a malformed content type', async () => {
    assert.equal((await problem(await post(entrance, Uint8Array.of(1), { 'content-type': 'nonsense' }))).status, 415)
  })

  it('answers 404 with the known gateways to an unknown gateway, and 404 to an unknown request or path', async () => {
    const said = await problem(await post('/v1/gateways/dor/request', '{}'))
    assert.equal(said.status, 404)
    assert.match(said.detail, /There is no gateway dor; there is door/)
    assert.equal((await problem(await fetch(`${gateway.url}/v1/requests/nobody`))).code, 'WAGGLE_UNKNOWN_REQUEST')
    assert.equal((await problem(await fetch(`${gateway.url}/nothing`))).status, 404)
  })

  it('serves OpenAPI 3.1, and answers 200 at /healthz and /readyz', async () => {
    const openapi = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as { openapi: string; paths: object }
    assert.equal(openapi.openapi, '3.1.0')
    assert.ok('/v1/gateways/{gateway}/request' in openapi.paths)
    assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200)
    assert.equal((await fetch(`${gateway.url}/readyz`)).status, 200)
  })

  it('is not ready while a swarm starts, and reports the reason', async () => {
    const starting = await openHttpGateway(optionsFor(swarm.requests, { notReady: () => 'three is CREATED' }))
    const response = await fetch(`${starting.url}/readyz`)
    assert.equal(response.status, 503)
    assert.deepEqual(await response.json(), { status: 'not ready', reason: 'three is CREATED' })
    await starting.close()
  })

  it('answers 503 with Retry-After before it reads the body if the engine is overloaded', async () => {
    const full: Requests = {
      gateways: ['door'],
      refusal: () => ({ reason: '1000 requests are waiting for an answer', retryAfterSeconds: 7 }),
      submit: (request: NewRequest) => swarm.requests.submit(request),
      request: (request: NewRequest) => swarm.requests.request(request),
      find: (id: string) => swarm.requests.find(id),
    }
    const busy = await openHttpGateway(optionsFor(full))
    const response = await fetch(`${busy.url}${entrance}`, { method: 'POST', body: '{}' })
    assert.equal(response.headers.get('retry-after'), '7')
    assert.equal((await problem(response)).status, 503)
    await busy.close()
  })

  it('answers 503 if the bodies of open requests exceed their limit', async () => {
    const small = await openHttpGateway(optionsFor(swarm.requests, { maxBodiesBytes: 10 }))
    const response = await fetch(`${small.url}${entrance}`, { method: 'POST', body: 'more than ten bytes' })
    assert.equal((await problem(response)).code, 'WAGGLE_OVERLOADED')
    await small.close()
  })

  it('answers 429 past its rate limit, but never to health checks and metrics', async () => {
    const limited = await openHttpGateway(optionsFor(swarm.requests, { rateLimitPerSecond: 1 }))
    const statuses = []
    for (let at = 0; at < 5; at++) statuses.push((await fetch(`${limited.url}${entrance}`, { method: 'POST', body: '{}' })).status)
    assert.ok(statuses.includes(429), statuses.join())
    for (const path of ['healthz', 'readyz', 'metrics', 'metrics']) assert.equal((await fetch(`${limited.url}/${path}`)).status, 200, path)
    await limited.close()
  })

  it('answers an internal error with 500 and no detail, and logs the detail', async () => {
    const errors: unknown[] = []
    const broken: Requests = {
      gateways: ['door'],
      refusal: () => null,
      submit: () => Promise.reject(new Error('secret of the house')),
      request: () => Promise.reject(new Error('secret of the house')),
      find: () => Promise.resolve(null),
    }
    const open = await openHttpGateway(optionsFor(broken, { onError: (error) => errors.push(error) }))
    const said = await problem(await fetch(`${open.url}${entrance}`, { method: 'POST', body: '{}' }))
    assert.equal(said.status, 500)
    assert.doesNotMatch(said.detail, /secret/)
    assert.equal(errors.length, 1)
    await open.close()
  })

  it('fails at start with the next step if the port is in use', async () => {
    const port = Number(new URL(gateway.url).port)
    await assert.rejects(openHttpGateway(optionsFor(swarm.requests, { port })), (error: unknown) => {
      assert.ok(error instanceof WaggleError)
      assert.equal(error.code, 'WAGGLE_PORT_IN_USE')
      assert.match(error.message, new RegExp(`Port ${port}`))
      assert.match(error.next, /WAGGLE_HTTP_PORT/)
      return true
    })
  })

  it('answers all accepted requests before it closes', async () => {
    const closing = await openHttpGateway(optionsFor(swarm.requests))
    const answered = fetch(`${closing.url}${entrance}`, { method: 'POST', body: '{"hold":true}', headers: { 'content-type': 'application/json' } })
    while (held.length === 0) await new Promise(setImmediate)
    const closed = closing.close()
    for (const release of held.splice(0)) release()
    assert.equal((await answered).status, 200)
    await closed
    await assert.rejects(fetch(`${closing.url}/healthz`))
  })

  it('turns away a connection without a request when it closes, and does not wait for it', async () => {
    const closing = await openHttpGateway(optionsFor(swarm.requests))
    const silent = connect(Number(new URL(closing.url).port), '127.0.0.1')
    const said = text(silent)
    await once(silent, 'connect')
    // The server has the connection when it answers a later one.
    await (await fetch(`${closing.url}/healthz`)).text()
    const startedMs = systemClock.elapsedMs()
    await closing.close({ timeoutMs: 60_000, onTimeout: () => {} })
    assert.match(await said, /^HTTP\/1\.1 503 .*The server is stopping.*WAGGLE_OVERLOADED/s)
    assert.ok(systemClock.elapsedMs() - startedMs < 30_000)
  })

  it('fails the requests that still wait and cuts off an unfinished body when its time to close is over', async () => {
    const closing = await openHttpGateway(optionsFor(swarm.requests))
    const waiting = fetch(`${closing.url}${entrance}`, { method: 'POST', body: '{"hold":true}', headers: { 'content-type': 'application/json' } })
    const { port } = new URL(closing.url)
    const slow = connect(Number(port), '127.0.0.1')
    const cut = new Promise((resolve) => slow.once('close', resolve))
    slow.write(`POST ${entrance} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`)
    while (held.length === 0) await new Promise(setImmediate)
    const startedMs = systemClock.elapsedMs()
    await closing.close({ timeoutMs: 50, onTimeout: () => held.splice(0).forEach((release) => void release()) })
    assert.equal((await waiting).status, 200)
    await cut
    assert.ok(systemClock.elapsedMs() - startedMs < 10_000)
  })
})
