import assert from 'node:assert/strict'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { noTokens } from '../../connectors/gateway/access/caller.ts'
import { type HttpGateway, openHttpGateway } from '../../connectors/gateway/http/http-gateway.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { readBack } from '../../topology/swarm/request/durable.ts'
import type { Requests } from '../../topology/swarm/request/requests.ts'
import { connected, heard } from '../support/raw-http.ts'
import { requestIds } from '../support/request-ids.ts'
import type { FuzzTarget } from './target.ts'

/**
 * Any bytes on a socket of the HTTP gateway. The gateway must answer with well-formed responses, or close the connection. A refusal must be a
 * problem, no internal error may happen, and no bytes of a body may be held at the end.
 */
export const target: FuzzTarget = {
  name: 'http',
  seeds: [
    message('POST /v1/gateways/door/request', { 'content-type': 'application/json' }, '{"a":[1,2.5e3,"b\\u00e9",null,true,{}]}'),
    message('POST /v1/gateways/door/submit', { 'content-type': 'application/json', 'idempotency-key': 'k', 'x-timeout-seconds': '2.5' }, '[]'),
    message('POST /v1/gateways/door/request', { 'content-type': 'application/json', 'content-encoding': 'gzip' }, gzipSync('{"a":1}')),
    message('POST /v1/gateways/door/request', { 'content-type': 'image/png', 'content-encoding': 'br' }, brotliCompressSync('photo')),
    message(
      'POST /v1/gateways/door/request',
      { 'content-type': 'multipart/form-data; boundary=b' },
      '--b\r\ncontent-disposition: form-data; name="f"; filename="a.png"\r\ncontent-type: image/png\r\n\r\nphoto\r\n--b\r\ncontent-disposition: form-data; name="t"\r\n\r\ntext\r\n--b--\r\n',
    ),
    Buffer.from(
      'POST /v1/gateways/door/request HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\ntrailer: 1\r\n\r\n',
    ),
    Buffer.from('GET /v1/requests/a%20b HTTP/1.1\r\nhost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: none\r\n\r\n'),
    message('POST /v1/gateways/door/request', { 'content-type': 'application/vnd.waggle.tensors', expect: '100-continue' }, 'tensors'),
  ],
  dictionary: [
    ...[
      'host: ',
      'origin: ',
      'sec-fetch-site: cross-site',
      'content-length: ',
      'transfer-encoding: chunked',
      'content-encoding: gzip',
      'expect: 100-continue',
    ],
    ...[
      'connection: upgrade',
      'upgrade: websocket',
      'HTTP/1.0',
      'HTTP/2.0',
      'OPTIONS',
      'CONNECT',
      'PRI * ',
      '%zz',
      '%00',
      '../',
      'application/json',
      '__proto__',
    ],
    ...[
      'multipart/form-data; boundary=',
      '--b',
      '\r\n\r\n',
      '\n',
      '\0',
      '\uFEFF',
      '99999999999999999999',
      '-1',
      'ffffffff\r\n',
      '0\r\n\r\n',
      '1e999',
      '[[[[[[[[',
    ],
  ].map((word) => Buffer.from(word)),

  async attempt(input) {
    gateway ??= open()
    const { url } = await gateway
    const socket = await connected(url)
    const responses = heard(socket)
    socket.end(input)
    for (const { status, headers, body } of await responses) {
      assert.notEqual(status, 500, body)
      if (status < 400) continue
      assert.match(headers.get('content-type') ?? '', /^application\/problem\+json(;|$)/)
      if (body === '') continue
      const problem = JSON.parse(body) as { readonly status: number; readonly code: string }
      assert.equal(problem.status, status)
      assert.match(problem.code, /^WAGGLE_/)
    }
    assert.deepEqual(failures.splice(0), [])
    // A decoder in another thread may still be working.
    const longest = performance.now() + 5000
    while ((await gateway).heldBytes > 0 && performance.now() < longest) await new Promise(setImmediate)
    assert.equal((await gateway).heldBytes, 0)
  },

  async close() {
    await (await gateway)?.close()
    gateway = null
  },
}

/** Answers each request with the request's own body. */
const echo: Requests = {
  gateways: ['door'],
  refusal: () => null,
  submit: async ({ id }) => readBack({ id }),
  request: async ({ id, body, contentType }) => readBack({ id, state: 'answered', answer: { kind: 'bytes', bytes: body, contentType } }),
  find: async () => null,
}

let gateway: Promise<HttpGateway> | null = null
const failures: unknown[] = []

function open(): Promise<HttpGateway> {
  return openHttpGateway({
    requests: echo,
    callers: noTokens,
    clock: systemClock,
    requestIds: requestIds(),
    host: '127.0.0.1',
    port: 0,
    requestTimeoutMs: 1000,
    maxBodyBytes: 1024 * 1024,
    maxBodiesBytes: 4 * 1024 * 1024,
    maxConnections: 100,
    names: [],
    timeLimits: { headersMs: 200, requestMs: 1000, idleMs: 200, minBytesPerSecond: 1000, slowWindowMs: 200 },
    rateLimitPerSecond: null,
    notReady: () => null,
    onError: (error) => failures.push(error),
    onAnswered: () => {},
    metrics: () => '',
  })
}

function message(call: string, headers: { readonly [name: string]: string }, body: string | Uint8Array): Uint8Array {
  const lines = Object.entries({ host: 'localhost', ...headers, 'content-length': String(Buffer.byteLength(body)) })
  return Buffer.concat([
    Buffer.from(`${call} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`),
    typeof body === 'string' ? Buffer.from(body) : body,
  ])
}
