import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import {
  BadRequest,
  BeeFailed,
  DeadlineExceeded,
  Gateway,
  GatewayError,
  IdempotencyConflict,
  InputRefused,
  NotAllowed,
  PayloadTooLarge,
  Unavailable,
  UnknownGateway,
  UnknownRequest,
  UnsupportedMediaType,
} from 'waggle-streams/client'
import { SwarmHere } from '../../../support/swarm-here.ts'

describe('The client class Gateway', () => {
  it('sends JSON with a key, and returns the JSON of the answer', async () => {
    await using server = await Server.open([json('goodbye Bee'), json(null), json({ a: [1] })])
    const gateway = new Gateway(`${server.url}/`)
    assert.equal(await gateway.request({ name: 'Bee' }, { gateway: 'hello world/1' }), 'goodbye Bee')
    assert.equal(await gateway.request('text', { gateway: 'hello' }), null)
    assert.deepEqual(await gateway.request([1.5, null], { gateway: 'hello' }), { a: [1] })
    const [first, second, third] = server.asked
    assert.deepEqual([first?.line, first?.body], ['POST /v1/gateways/hello%20world%2F1/request', '{"name":"Bee"}'])
    assert.equal(first?.headers['content-type'], 'application/json')
    assert.ok(Number(first?.headers['x-timeout-seconds']) > 25)
    assert.deepEqual([second?.body, third?.body], ['"text"', '[1.5,null]'])
    assert.equal(new Set(server.asked.map(({ headers }) => headers['idempotency-key'])).size, 3)
  })

  it('sends bytes with their media type, and returns the bytes of the answer with theirs', async () => {
    await using server = await Server.open([
      { status: 200, headers: { 'content-type': 'image/png' }, body: 'PNG' },
      json(1),
      json(1),
      json(1),
      json(1),
    ])
    const gateway = new Gateway(server.url)
    const bytes = new TextEncoder().encode('jpeg')
    const picture = await gateway.request(new Blob([bytes], { type: 'image/jpeg' }), { gateway: 'g' })
    assert.deepEqual(picture, { contentType: 'image/png', bytes: new TextEncoder().encode('PNG') })
    await gateway.request(bytes, { gateway: 'g' })
    await gateway.request(bytes.buffer, { gateway: 'g', contentType: 'text/csv' })
    await gateway.request(picture, { gateway: 'g' })
    await gateway.request({ bytes: 'not bytes', contentType: 'x' }, { gateway: 'g' })
    assert.deepEqual(
      server.asked.map(({ headers, body }) => [headers['content-type'], body]),
      [
        ['image/jpeg', 'jpeg'],
        ['application/octet-stream', 'jpeg'],
        ['text/csv', 'jpeg'],
        ['image/png', 'PNG'],
        ['application/json', '{"bytes":"not bytes","contentType":"x"}'],
      ],
    )
  })

  it('returns the id of a submitted request, and sends a deadline only if the caller sets one', async () => {
    await using server = await Server.open([json({ request_id: 'r-7' }, 202), json({ request_id: 'r-8' }, 202)])
    const gateway = new Gateway(server.url, { token: 't-1' })
    assert.equal(await gateway.submit({ a: 1 }, { gateway: 'g' }), 'r-7')
    const options = { gateway: 'g', timeoutMs: 5000, idempotencyKey: 'k', headers: { traceparent: '00-1' } }
    assert.equal(await gateway.submit({ a: 1 }, options), 'r-8')
    const [first, second] = server.asked
    assert.equal(first?.headers['x-timeout-seconds'], undefined)
    assert.equal(first?.headers.authorization, 'Bearer t-1')
    assert.deepEqual([second?.headers['idempotency-key'], second?.headers.traceparent], ['k', '00-1'])
    assert.ok(Number(second?.headers['x-timeout-seconds']) <= 5)
  })

  it('returns the state of a request with its answer or its problem', async () => {
    const problem = { title: 'No', status: 422, detail: 'no face', code: 'WAGGLE_REFUSED', bee: 'look' }
    await using server = await Server.open([
      json({ request_id: 'r', state: 'pending', answer: null, problem: null }),
      json({ request_id: 'r', state: 'answered', answer: { a: 1 }, problem: null }),
      json({ request_id: 'r', state: 'failed', answer: null, problem }),
      problemAnswer(404, 'WAGGLE_UNKNOWN_REQUEST'),
    ])
    const gateway = new Gateway(server.url)
    assert.deepEqual(await gateway.get('r'), { requestId: 'r', state: 'pending', answer: null, problem: null })
    assert.deepEqual((await gateway.get('r')).answer, { a: 1 })
    const failed = await gateway.get('r')
    assert.ok(failed.problem instanceof InputRefused)
    assert.deepEqual([failed.problem.bee, failed.problem.detail, failed.problem.requestId], ['look', 'no face', 'r'])
    await assert.rejects(gateway.get('a/b'), UnknownRequest)
    assert.equal(server.asked.at(-1)?.line, 'GET /v1/requests/a%2Fb')
  })

  it('throws the error class of each status, and does not repeat these requests', async () => {
    const cases = [
      [400, 'WAGGLE_BAD_BODY', BadRequest],
      [401, 'WAGGLE_X', NotAllowed],
      [403, 'WAGGLE_CROSS_SITE', NotAllowed],
      [404, 'WAGGLE_UNKNOWN_GATEWAY', UnknownGateway],
      [413, 'WAGGLE_BODY_TOO_LARGE', PayloadTooLarge],
      [415, 'WAGGLE_CONTENT_TYPE', UnsupportedMediaType],
      [422, 'WAGGLE_REFUSED', InputRefused],
      [422, 'WAGGLE_KEY_REUSED', IdempotencyConflict],
      [500, 'WAGGLE_INTERNAL', GatewayError],
      [502, 'WAGGLE_BEE_FAILED', BeeFailed],
      [504, 'WAGGLE_NO_OUTCOME', DeadlineExceeded],
    ] as const
    await using server = await Server.open(cases.map(([status, code]) => problemAnswer(status, code)))
    const gateway = new Gateway(server.url)
    for (const [status, code, kind] of cases) {
      const error = await failureOf(gateway.request(1, { gateway: 'g' }))
      assert.equal(error.constructor, kind)
      assert.equal(error.name, kind.name)
      assert.deepEqual([error.status, error.code, error.detail, error.requestId, error.bee], [status, code, 'It went wrong', 'r-1', 'b'])
      assert.equal(error.message, `b: It went wrong (${code})`)
    }
    assert.equal(server.asked.length, cases.length)
  })

  it('turns the error page of a proxy into an error with the page’s text', async () => {
    const pages = [
      { status: 502, headers: {}, body: '<h1>Bad gateway</h1>' },
      { status: 500, headers: {}, body: '' },
      { status: 418, headers: {}, body: '[1]' },
      { status: 400, headers: {}, body: '{"detail": 7, "code": "constructor"}' },
    ]
    await using server = await Server.open(pages)
    const gateway = new Gateway(server.url)
    for (const [status, detail] of [
      [502, '<h1>Bad gateway</h1>'],
      [500, 'HTTP status 500'],
      [418, '[1]'],
      [400, '{"detail": 7, "code": "constructor"}'],
    ] as const) {
      const error = await failureOf(gateway.request(1, { gateway: 'g' }))
      assert.deepEqual([error.status, error.detail], [status, detail])
    }
  })

  it('retries after broken connections and overloads, with the same key and one deadline', async () => {
    await using server = await Server.open([
      'drop',
      'cut',
      problemAnswer(503, 'WAGGLE_OVERLOADED'),
      problemAnswer(429, 'WAGGLE_RATE_LIMIT'),
      json('done'),
    ])
    assert.equal(await new Gateway(server.url).request({ a: 1 }, { gateway: 'g' }), 'done')
    assert.equal(server.asked.length, 5)
    assert.equal(new Set(server.asked.map(({ headers, body }) => `${headers['idempotency-key']} ${body}`)).size, 1)
    const left = server.asked.map(({ headers }) => Number(headers['x-timeout-seconds']))
    assert.deepEqual(
      left,
      left.toSorted((a, b) => b - a),
    )
  })

  it('throws the last error when its retries are used up, or when the next wait would pass the deadline', async () => {
    const overload = problemAnswer(503, 'WAGGLE_OVERLOADED')
    await using server = await Server.open([overload, overload, { ...overload, headers: { 'retry-after': '9' } }])
    await assert.rejects(new Gateway(server.url, { retries: 1 }).request(1, { gateway: 'g' }), Unavailable)
    assert.equal(server.asked.length, 2)
    await assert.rejects(new Gateway(server.url).request(1, { gateway: 'g', timeoutMs: 8_000 }), Unavailable)
    assert.equal(server.asked.length, 3)
  })

  it('throws Unavailable if no server listens, and the reason of a signal that aborts', async () => {
    const url = await Server.unused()
    const error = await failureOf(new Gateway(url, { retries: 1 }).request(1, { gateway: 'g' }))
    assert.ok(error instanceof Unavailable)
    assert.equal(error.detail, `${url} cannot be reached (ECONNREFUSED): start the swarm, or correct the address`)
    const reason = new Error('enough')
    await assert.rejects(new Gateway(url).request(1, { gateway: 'g', signal: AbortSignal.abort(reason) }), reason)
    await using server = await Server.open(['never'])
    const abort = new AbortController()
    const call = new Gateway(server.url).request(1, { gateway: 'g', signal: abort.signal })
    await server.next()
    abort.abort(reason)
    await assert.rejects(call, reason)
  })

  it('throws DeadlineExceeded if the server never answers', async () => {
    await using server = await Server.open(['never'])
    await assert.rejects(new Gateway(server.url).get('r', { timeoutMs: 50 }), DeadlineExceeded)
  })

  it('refuses wrong arguments before it sends anything', async () => {
    for (const url of ['ftp://a', 'localhost:8080', 'nonsense', '']) assert.throws(() => new Gateway(url), /is no address of a gateway/)
    for (const options of [{ timeoutMs: 0 }, { timeoutMs: Number.NaN }, { timeoutMs: 1e9 }, { retries: -1 }, { retries: 0.5 }])
      assert.throws(() => new Gateway('http://127.0.0.1:1', options), TypeError)
    const gateway = new Gateway('http://127.0.0.1:1')
    const circular: unknown[] = []
    circular.push(circular)
    for (const [payload, options] of [
      [undefined, {}],
      [circular, {}],
      [1n, {}],
      [() => 1, {}],
      ['text', { contentType: 'text/plain' }],
      [1, { idempotencyKey: '' }],
      [1, { idempotencyKey: 'a\nb' }],
      [1, { idempotencyKey: 'k'.repeat(256) }],
      [1, { timeoutMs: -1 }],
      [1, { gateway: '' }],
    ] as const)
      await assert.rejects(gateway.request(payload, { gateway: 'g', ...options }), TypeError)
  })

  it('uses the address of the environment if the caller passes none', async () => {
    const asked: string[] = []
    const fetch: typeof globalThis.fetch = async (url) => {
      asked.push(new URL(String(url)).origin)
      return new Response('1', { headers: { 'content-type': 'application/json' } })
    }
    const before = { ...process.env }
    for (const variables of [
      {},
      { WAGGLE_HTTP_PORT: '9000' },
      { WAGGLE_HOST: '::1', WAGGLE_HTTP_PORT: '9000' },
      { WAGGLE_URL: 'https://a.example' },
    ]) {
      process.env = { ...variables }
      await new Gateway(undefined, { fetch }).request(1, { gateway: 'g' })
    }
    process.env = before
    assert.deepEqual(asked, ['http://127.0.0.1:8080', 'http://127.0.0.1:9000', 'http://[::1]:9000', 'https://a.example'])
  })

  it('gets answers from a real swarm', async () => {
    await using swarm = await SwarmHere.open({})
    const gateway = new Gateway(swarm.url)
    const options = { gateway: swarm.name }
    assert.deepEqual(await gateway.request({ n: 1 }, options), { n: 1 })
    const key = { ...options, idempotencyKey: 'order-7' }
    const id = await gateway.submit({ n: 2 }, key)
    assert.equal(await gateway.submit({ n: 2 }, key), id)
    assert.deepEqual(await gateway.request({ n: 2 }, key), { n: 2 })
    assert.deepEqual(await gateway.get(id), { requestId: id, state: 'answered', answer: { n: 2 }, problem: null })
    await assert.rejects(gateway.submit({ n: 3 }, key), IdempotencyConflict)
    await assert.rejects(gateway.request({ n: 1 }, { gateway: 'nope' }), UnknownGateway)
    await assert.rejects(gateway.request({ waitMs: 10_000 }, { ...options, timeoutMs: 100 }), DeadlineExceeded)
  })
})

describe('A stream of the client class Gateway', () => {
  const first = `${sent('accepted', '*', { request_id: 'r-1' })}${sent('part', '*.b~0', { bee: 'b', number: 0, part: 'a' })}`
  const rest = `${sent('later', '*.x', {})}${sent('bee', '*.b', { bee: 'b', started_at: 1 })}${sent('answer', '*.b.!', { answer: 'ab', problem: null })}`
  const all = (url: string, options: Partial<Parameters<Gateway['stream']>[1]> = {}) =>
    Array.fromAsync(new Gateway(url, { retries: 1 }).stream({ a: 1 }, { gateway: 'g', ...options }))

  it('continues after its last event when a connection breaks, and skips events of a later version', async () => {
    await using server = await Server.open([events(`: \n\n${first}`), problemAnswer(503, 'WAGGLE_STARTING'), 'drop', events(rest)])
    assert.deepEqual(await all(server.url), [
      { kind: 'accepted', requestId: 'r-1' },
      { kind: 'part', bee: 'b', number: 0, round: null, part: 'a' },
      { kind: 'bee', bee: 'b', step: { bee: 'b', started_at: 1 } },
      { kind: 'answer', requestId: 'r-1', answer: 'ab' },
    ])
    assert.deepEqual(
      server.asked.map(({ line, headers }) => [line, headers['last-event-id']]),
      [
        ['POST /v1/gateways/g/request', undefined],
        ['GET /v1/requests/r-1/events', '*.b~0'],
        ['GET /v1/requests/r-1/events', '*.b~0'],
        ['GET /v1/requests/r-1/events', '*.b~0'],
      ],
    )
  })

  it('tells a gap: parts that the server has no longer', async () => {
    const gap = sent('gap', '*.b~0', { request_id: 'r-1', detail: 'The log no longer has all parts' })
    await using server = await Server.open([events(`${first}${gap}${rest}`)])
    assert.deepEqual((await all(server.url))[2], { kind: 'gap', requestId: 'r-1', detail: 'The log no longer has all parts' })
  })

  it('sends the request again under the same key while it has no event, as often as retries say', async () => {
    await using server = await Server.open(['drop', events(rest), 'drop', 'drop'])
    assert.equal((await all(server.url, { idempotencyKey: 'k' })).at(-1)?.kind, 'answer')
    assert.deepEqual(
      server.asked.map(({ line, headers }) => [line, headers['idempotency-key']]),
      [
        ['POST /v1/gateways/g/request', 'k'],
        ['POST /v1/gateways/g/request', 'k'],
      ],
    )
    assert.ok((await failureOf(all(server.url))) instanceof Unavailable)
  })

  it('throws the error of a failed request, the error of a refusal, and the reason of its signal', async () => {
    const failed = sent('answer', '!', { answer: null, problem: { status: 502, detail: 'It broke', code: 'WAGGLE_BEE_FAILED', bee: 'b' } })
    await using server = await Server.open([events(failed), problemAnswer(422, 'WAGGLE_REFUSED'), 'never'])
    const error = await failureOf(all(server.url))
    assert.ok(error instanceof BeeFailed)
    assert.deepEqual([error.requestId, error.detail], ['r-1', 'It broke'])
    assert.ok((await failureOf(all(server.url))) instanceof InputRefused)
    const abort = new AbortController()
    const waiting = all(server.url, { signal: abort.signal })
    await server.next()
    abort.abort(new Error('enough'))
    await assert.rejects(waiting, /^Error: enough$/)
  })

  it('ends with DeadlineExceeded when its time has passed', async () => {
    await using server = await Server.open([events(first), events(''), events('')])
    assert.ok((await failureOf(all(server.url, { timeoutMs: 150 }))) instanceof DeadlineExceeded)
  })
})

function sent(event: string, id: string, data: object): string {
  return `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`
}

function events(body: string): Given {
  return { status: 200, headers: { 'content-type': 'text/event-stream', 'x-request-id': 'r-1' }, body }
}

interface Given {
  readonly status: number
  readonly headers: { readonly [name: string]: string }
  readonly body: string
}

interface Asked {
  readonly line: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A server that sends the responses of a list, and records its requests. */
class Server implements AsyncDisposable {
  readonly #http = createServer()
  readonly asked: Asked[] = []

  static async open(answers: readonly (Given | 'drop' | 'cut' | 'never')[]): Promise<Server> {
    const server = new Server()
    const left = [...answers]
    server.#http.on('request', async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      server.asked.push({ line: `${request.method} ${request.url}`, headers: request.headers, body: Buffer.concat(chunks).toString() })
      server.#http.emit('asked')
      const given = left.shift()
      if (given === undefined || given === 'drop') request.socket.destroy()
      else if (given === 'cut') {
        response.writeHead(200, { 'content-length': 100 })
        response.write('{', () => request.socket.destroy())
      } else if (given !== 'never') response.writeHead(given.status, given.headers).end(given.body)
    })
    server.#http.listen(0, '127.0.0.1')
    await once(server.#http, 'listening')
    return server
  }

  /** An address of this machine at which no server listens. */
  static async unused(): Promise<string> {
    await using server = await Server.open([])
    return server.url
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  /** Settles at the next request. */
  async next(): Promise<void> {
    await once(this.#http, 'asked')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.closeAllConnections()
    this.#http.close()
    await once(this.#http, 'close')
  }
}

function json(value: unknown, status = 200): Given {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) }
}

function problemAnswer(status: number, code: string): Given {
  return json({ title: 'No', status, detail: 'It went wrong', code, request_id: 'r-1', bee: 'b' }, status)
}

async function failureOf(call: Promise<unknown>): Promise<GatewayError> {
  const error = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof GatewayError, String(error))
  return error
}
