import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type ClientHttp2Session, connect as connectHttp2, type SessionOptions } from 'node:http2'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { credentials } from '@grpc/grpc-js'
import { parseTokens } from '../../../../connectors/gateway/access/access-token.ts'
import { AccessTokens } from '../../../../connectors/gateway/access/access-tokens.ts'
import { anybody } from '../../../../connectors/gateway/access/caller.ts'
import { CallerLimits } from '../../../../connectors/gateway/access/caller-limits.ts'
import { CallerPlaces } from '../../../../connectors/gateway/access/caller-places.ts'
import type { GrpcGateway, GrpcGatewayOptions } from '../../../../connectors/gateway/grpc/grpc-gateway.ts'
import { TlsFiles } from '../../../../connectors/http/tls-files.ts'
import { systemClock } from '../../../../connectors/system/system-clock.ts'
import type { Clock } from '../../../../processor/ports.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'
import { readBack } from '../../../../topology/swarm/request/durable.ts'
import type { PublishedPart } from '../../../../topology/swarm/request/part.ts'
import type { RequestEvents } from '../../../../topology/swarm/request/request-events.ts'
import type { NewRequest } from '../../../../topology/swarm/request/requests.ts'
import { openEchoGrpc, payloadEcho } from '../../../support/echo-gateway.ts'
import { freePort } from '../../../support/free-port.ts'
import { GrpcCaller } from '../../../support/grpc-caller.ts'
import { Certificates } from '../../../support/serving/certificates.ts'

const infer = 'inference.GRPCInferenceService/ModelInfer'
const ask = 'waggle.v1.Gateway/Request'
const reflect = 'grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
const numbers = { model_name: 'door', inputs: [{ name: 'x', datatype: 'FP32', shape: [2], contents: { fp32_contents: [1, 2] } }] }
const hello = { gateway: 'door', data: Buffer.from('"hello"') }

/** A gateway with a client. Both are closed at the end of the test. */
async function opened(more: Partial<GrpcGatewayOptions> = {}) {
  const gateway = await openEchoGrpc(more)
  const caller = new GrpcCaller(gateway.address)
  return {
    gateway,
    caller,
    async [Symbol.asyncDispose]() {
      caller.close()
      await gateway.close()
    },
  }
}

/** A plain HTTP/2 connection, which can do what a gRPC client would not do. */
function rawConnection({ address }: GrpcGateway, settings: NonNullable<SessionOptions['settings']> = {}) {
  const session = connectHttp2(`http://${address}`, { settings })
  session.on('error', () => {})
  return session
}

/** Begins a call. */
function rawCall(session: ClientHttp2Session, path: string, headers: { readonly [name: string]: string } = {}) {
  const stream = session.request({ ':method': 'POST', ':path': `/${path}`, 'content-type': 'application/grpc', te: 'trailers', ...headers })
  stream.on('error', () => {})
  return stream
}

/** A message in its form on the wire. */
function framed(message: Uint8Array, isCompressed = false): Buffer {
  const head = Buffer.alloc(5)
  head[0] = isCompressed ? 1 : 0
  head.writeUInt32BE(message.byteLength, 1)
  return Buffer.concat([head, message])
}

/** The status of a call that is refused without an answer. */
async function refusalOf(stream: ReturnType<typeof rawCall>) {
  const [headers] = (await once(stream, 'response')) as [{ readonly [name: string]: string | undefined }]
  return headers
}

/** Requests with answers of 60,000 bytes. */
const largeAnswers = {
  ...payloadEcho,
  find: async () => readBack({ state: 'answered' as const, answer: { kind: 'json' as const, json: 'x'.repeat(60_000) }, bodyHash: '' }),
}

/** Requests whose answers are sent when the test asks for them. */
function heldRequests() {
  const seen: NewRequest[] = []
  let answer = () => {}
  const held = new Promise<void>((resolve) => {
    answer = resolve
  })
  const requests = {
    ...payloadEcho,
    async request(request: NewRequest) {
      seen.push(request)
      await held
      return payloadEcho.request(request)
    },
  }
  return { requests, seen, answer }
}

describe('A gRPC gateway', () => {
  let gateway: GrpcGateway
  let caller: GrpcCaller
  const errors: unknown[] = []
  before(async () => {
    gateway = await openEchoGrpc({ onError: (error) => errors.push(error) })
    caller = new GrpcCaller(gateway.address)
  })
  after(async () => {
    caller.close()
    await gateway.close()
    assert.deepEqual(errors, [])
  })

  it('answers contents with contents, and raw contents with raw contents', async () => {
    const inputs = [
      { name: 'f', datatype: 'FP32', shape: [1], contents: { fp32_contents: [0.5] } },
      { name: 'b', datatype: 'BOOL', shape: [2], contents: { bool_contents: [true, false] } },
      { name: 'i', datatype: 'INT8', shape: [2], contents: { int_contents: [-128, 127] } },
      { name: 'l', datatype: 'INT64', shape: [1], contents: { int64_contents: [-5] } },
      { name: 'u', datatype: 'UINT16', shape: [1], contents: { uint_contents: [65_535] } },
    ]
    const { status, message, requestId } = await caller.call(infer, { ...numbers, id: 'mine', inputs })
    assert.deepEqual([status, message.id, message.model_name, message.model_version], ['OK', 'mine', 'door', '3'])
    assert.deepEqual(message.outputs, inputs)
    assert.match(requestId ?? '', /^[0-9a-f-]{36}$/)
    const head = { name: 'f', datatype: 'FP32', shape: [2] }
    const raw = Buffer.from(new Float32Array([1, 2]).buffer)
    const answered = await caller.call(infer, { ...numbers, inputs: [head], raw_input_contents: [raw] })
    assert.deepEqual([answered.message.outputs, answered.message.raw_output_contents], [[head], [raw]])
  })

  it('refuses inputs that do not fit, with the code of the error table', async () => {
    const input = numbers.inputs[0]
    const raw = Buffer.alloc(8)
    for (const [more, why] of [
      [{ inputs: [] }, /there is none/],
      [{ inputs: Array(1001).fill(input) }, /more than 1000/],
      [{ inputs: [{ ...input, datatype: 'FP8' }] }, /datatype "FP8"/],
      [{ inputs: [{ ...input, shape: [-2] }] }, /holds -2/],
      [{ inputs: [{ ...input, shape: [2 ** 53, 2] }] }, /holds 9007199254740992/],
      [{ inputs: [{ ...input, shape: [2 ** 31, 2 ** 31] }] }, /more elements than can be/],
      [{ inputs: [{ ...input, shape: [3] }] }, /has 2 elements/],
      [{ inputs: [{ ...input, datatype: 'INT32' }] }, /has 0 elements/],
      [{ inputs: [input], raw_input_contents: [raw] }, /both contents and raw contents/],
      [{ inputs: [{ name: 'x', datatype: 'FP32', shape: [2] }], raw_input_contents: [raw, raw] }, /1 inputs and 2 raw_input_contents/],
      [{ inputs: [{ name: 'x', datatype: 'FP32', shape: [3] }], raw_input_contents: [raw] }, /has 8 bytes, where FP32 \[3\] has 12/],
      [{ inputs: [{ name: 'x', datatype: 'BYTES', shape: [1] }], raw_input_contents: [Buffer.from([255, 255, 255, 255, 1])] }, /break off/],
      [{ inputs: [{ ...input, parameters: { shared_memory_region: { string_param: 'r' } } }] }, /shared memory/],
    ] as const) {
      const { status, error, details } = await caller.call(infer, { ...numbers, ...more })
      assert.deepEqual([status, error, why.test(details)], ['INVALID_ARGUMENT', 'WAGGLE_INFERENCE_INPUT', true], details)
    }
    assert.equal((await caller.call(infer, { ...numbers, outputs: [{ name: 'y' }] })).error, 'WAGGLE_INFERENCE_OUTPUT')
    assert.deepEqual((await caller.call(infer, { ...numbers, model_name: 'nobody' })).status, 'NOT_FOUND')
    assert.deepEqual((await caller.call(infer, { ...numbers, model_version: '9' })).error, 'WAGGLE_INFERENCE_MODEL')
  })

  it('refuses bytes that are not a message, a message of a million small values, and a message above the size limit', async () => {
    const nonsense = await caller.call(infer, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f]))
    assert.deepEqual([nonsense.status, nonsense.error], ['INVALID_ARGUMENT', 'WAGGLE_BAD_BODY'])
    const large = await caller.call(ask, { ...hello, data: Buffer.alloc(70_000) })
    assert.deepEqual([large.status, /larger than max/.test(large.details)], ['RESOURCE_EXHAUSTED', true])
    await using wide = await opened({ maxBodyBytes: 4 * 1024 * 1024 })
    const contents = { bool_contents: Array<boolean>(1_000_001).fill(true) }
    const many = await wide.caller.call(infer, { model_name: 'door', inputs: [{ name: 'b', datatype: 'BOOL', shape: [1_000_001], contents }] })
    assert.deepEqual([many.status, many.error], ['INVALID_ARGUMENT', 'WAGGLE_BAD_BODY'])
  })

  it('bounds the memory of a message, and counts texts, buffers and 64-bit numbers as several values', async () => {
    await using wide = await opened({ maxBodyBytes: 4 * 1024 * 1024 })
    const outcome = async (contents: object, size: number) => {
      const message = { model_name: 'door', inputs: [{ name: 'x', datatype: 'INT32', shape: [size], contents }] }
      return (await wide.caller.call(infer, message)).error
    }
    const bytes = (size: number) => outcome({ bytes_contents: Array<Buffer>(size).fill(Buffer.alloc(0)) }, size)
    const integers = (size: number) => outcome({ int64_contents: Array<number>(size).fill(1) }, size)
    // A message within the bound is decoded, and then refused because its values do not match its datatype.
    assert.deepEqual([await bytes(199_900), await bytes(200_001)], ['WAGGLE_INFERENCE_INPUT', 'WAGGLE_BAD_BODY'])
    assert.deepEqual([await integers(333_200), await integers(333_334)], ['WAGGLE_INFERENCE_INPUT', 'WAGGLE_BAD_BODY'])
  })

  it('refuses a large message for a method without an input', async () => {
    await using wide = await opened({ maxBodyBytes: 4 * 1024 * 1024 })
    for (const [path, message] of [
      ['grpc.health.v1.Health/Check', { service: 'x'.repeat(70_000) }],
      ['waggle.v1.Gateway/Get', { request_id: 'x'.repeat(70_000) }],
      ['inference.GRPCInferenceService/ModelReady', { name: 'x'.repeat(70_000) }],
    ] as const) {
      const { status, error } = await wide.caller.call(path, message)
      assert.deepEqual([status, error], ['RESOURCE_EXHAUSTED', 'WAGGLE_BODY_TOO_LARGE'], path)
    }
  })

  it('refuses a message that names two gateways, or two models', async () => {
    const named = (...names: readonly string[]) => Buffer.concat(names.map((name) => Buffer.from([0x0a, name.length, ...Buffer.from(name)])))
    for (const path of [ask, infer]) {
      const { status, error, details } = await caller.call(path, named('door', 'other'))
      assert.deepEqual([status, error], ['INVALID_ARGUMENT', 'WAGGLE_BAD_BODY'], details)
    }
    assert.equal((await caller.call(ask, Buffer.concat([named('door', 'door'), Buffer.from([0x12, 1, 0x31])]))).status, 'OK')
  })

  it('accepts any input by its own service, and returns the content type of the answer', async () => {
    const { message } = await caller.call(ask, hello)
    assert.deepEqual([String(message.data), message.content_type], ['"hello"', 'application/json'])
    const picture = await caller.call(ask, { gateway: 'door', data: Buffer.from([0xff, 0xd8]), content_type: 'image/jpeg' })
    assert.deepEqual([picture.message.data, picture.message.content_type], [Buffer.from([0xff, 0xd8]), 'image/jpeg'])
    assert.equal((await caller.call(ask, { ...hello, data: Buffer.from('{') })).error, 'WAGGLE_BAD_BODY')
    assert.deepEqual((await caller.call(ask, { ...hello, gateway: 'nobody' })).status, 'NOT_FOUND')
    for (const gateway of ['n'.repeat(256), '‘ '.repeat(10_000)])
      assert.equal((await caller.call('waggle.v1.Gateway/Submit', { ...hello, gateway })).error, 'WAGGLE_UNKNOWN_GATEWAY')
    for (const content_type of ['text/plain\r\nx: y', `a/${'b'.repeat(2000)}`])
      assert.equal((await caller.call(ask, { ...hello, content_type })).error, 'WAGGLE_CONTENT_TYPE')
    const { message: accepted, requestId } = await caller.call('waggle.v1.Gateway/Submit', hello, { headers: { 'idempotency-key': 'k' } })
    assert.equal(accepted.request_id, requestId)
    assert.equal((await caller.call('waggle.v1.Gateway/Submit', hello, { headers: { 'idempotency-key': 'k' } })).requestId, requestId)
    const { message: found } = await caller.call('waggle.v1.Gateway/Get', { request_id: requestId })
    assert.deepEqual([found.state, String((found.answer as { readonly data: Buffer }).data)], ['ANSWERED', '"the answer"'])
  })

  it('reports its health, and answers NOT_FOUND for the health of an unknown service', async () => {
    const check = (service: string) => caller.call('grpc.health.v1.Health/Check', { service })
    assert.deepEqual((await check('')).message, { status: 'SERVING' })
    assert.deepEqual((await check('waggle.v1.Gateway')).message, { status: 'SERVING' })
    assert.equal((await check('nobody')).status, 'NOT_FOUND')
    await using starting = await opened({ notReady: () => 'loading' })
    assert.deepEqual((await starting.caller.call('grpc.health.v1.Health/Check', { service: '' })).message, { status: 'NOT_SERVING' })
    assert.deepEqual((await starting.caller.call('inference.GRPCInferenceService/ServerReady', {})).message, {})
  })

  it('refuses pages of other sites and foreign host names', async () => {
    const site = await caller.call(ask, hello, { headers: { origin: 'https://evil.example' } })
    assert.deepEqual([site.status, site.error], ['PERMISSION_DENIED', 'WAGGLE_CROSS_SITE'])
    const rebound = new GrpcCaller(gateway.address, undefined, { 'grpc.default_authority': 'evil.example' })
    const named = await rebound.call(ask, hello)
    rebound.close()
    assert.deepEqual([named.status, named.error], ['PERMISSION_DENIED', 'WAGGLE_UNKNOWN_HOST'])
  })

  it('closes HTTP/1.1 connections, and answers 415 to a content type that any page may send', async () => {
    const [host = '', port = ''] = gateway.address.split(':')
    const socket = connect(Number(port), host)
    socket.end('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
    socket.resume()
    await once(socket, 'close')
    const session = connectHttp2(`http://${gateway.address}`)
    const stream = session.request({ ':method': 'POST', ':path': `/${ask}`, 'content-type': 'text/plain' })
    const [headers] = (await once(stream, 'response')) as [{ readonly ':status': number }]
    assert.equal(headers[':status'], 415)
    session.destroy()
  })
})

describe('A gRPC gateway with tokens', () => {
  it('requires a token with the scope of the gateway, and shows a request only to its owner', async () => {
    const tokens = new AccessTokens()
    tokens.replace('settings', parseTokens('asker=asker-0123456789:ask:door; other=other-0123456789:ask:window; reader=reader-0123456789:read'))
    await using here = await opened({ callers: { areKnown: true, find: (token) => tokens.find(token) } })
    const { caller } = here
    const as = (token: string) => ({ headers: { authorization: `Bearer ${token}-0123456789` } })
    for (const [path, message] of [
      [infer, numbers],
      [ask, hello],
      ['waggle.v1.Gateway/Submit', hello],
      ['inference.GRPCInferenceService/ModelMetadata', { name: 'door' }],
    ] as const) {
      const said = async (options: object) => {
        const { status, error } = await caller.call(path, message, options)
        return `${status} ${error}`
      }
      assert.deepEqual(
        [
          await said({}),
          await said(as('wrong')),
          await said(as('other')),
          await said({ headers: { authorization: 'Basic YTpi' } }),
          await said(as('asker')),
        ],
        [
          'UNAUTHENTICATED WAGGLE_TOKEN_MISSING',
          'UNAUTHENTICATED WAGGLE_TOKEN_UNKNOWN',
          'PERMISSION_DENIED WAGGLE_SCOPE_MISSING',
          'UNAUTHENTICATED WAGGLE_TOKEN_MISSING',
          'OK undefined',
        ],
        path,
      )
    }
    assert.equal((await caller.call('grpc.health.v1.Health/Check', {})).status, 'OK')
    assert.equal((await caller.call(infer, { ...numbers, model_name: 'nobody' }, as('asker'))).status, 'PERMISSION_DENIED')
    const { requestId } = await caller.call(ask, hello, as('asker'))
    const seen = async (token: string) => (await caller.call('waggle.v1.Gateway/Get', { request_id: requestId }, as(token))).status
    assert.deepEqual([await seen('asker'), await seen('reader'), await seen('other')], ['OK', 'OK', 'PERMISSION_DENIED'])
  })
})

describe('A message from a caller of gRPC', () => {
  /** Names the gateway `door`, and cannot be decoded. */
  const broken = Buffer.from([0x0a, 4, ...Buffer.from('door'), 0xff, 0xff])
  const asks = [ask, infer, 'waggle.v1.Gateway/Submit'] as const

  it('is not decoded if the caller does not have the scope of the gateway', async () => {
    const tokens = new AccessTokens()
    tokens.replace('settings', parseTokens('asker=asker-0123456789:ask:door; other=other-0123456789:ask:window,manage'))
    await using here = await opened({ callers: { areKnown: true, find: (token) => tokens.find(token) } })
    const errors = (token: string) =>
      Promise.all(asks.map(async (path) => (await here.caller.call(path, broken, { headers: { authorization: `Bearer ${token}` } })).error))
    assert.deepEqual(new Set(await errors('other-0123456789')), new Set(['WAGGLE_SCOPE_MISSING']))
    assert.deepEqual(new Set(await errors('asker-0123456789')), new Set(['WAGGLE_BAD_BODY']))
  })

  it('is not decoded if the caller is above its rate, or if the process is full', async () => {
    const limits = new CallerLimits({ clock: new SimulatedClock(), limits: { ratePerSecond: 1, inFlight: null, allInFlight: 1 } })
    await using here = await opened({ limits })
    for (const path of asks) {
      limits.replace({ ratePerSecond: 1, inFlight: null, allInFlight: 1 })
      const errors = [(await here.caller.call(path, broken)).error, (await here.caller.call(path, broken)).error]
      assert.deepEqual(errors, ['WAGGLE_BAD_BODY', 'WAGGLE_CALLER_LIMIT'], path)
    }
    const leave = limits.admit({ caller: 'another', gateway: 'window', priority: 9, waits: true })
    assert.equal((await here.caller.call(ask, broken)).error, 'WAGGLE_OVERLOADED')
    leave()
  })
})

describe('A gRPC gateway with limits', () => {
  it('refuses a caller above its rate, and every caller while the process is full', async () => {
    const limits = new CallerLimits({ clock: systemClock, limits: { ratePerSecond: 1, inFlight: null, allInFlight: 10 } })
    const answered: unknown[] = []
    await using first = await opened({ limits, onAnswered: ({ gateway, call, status }) => answered.push([gateway, call, status]) })
    assert.equal((await first.caller.call(ask, hello)).status, 'OK')
    const { status, error } = await first.caller.call(ask, hello)
    assert.deepEqual([status, error], ['RESOURCE_EXHAUSTED', 'WAGGLE_CALLER_LIMIT'])
    assert.deepEqual(answered, [
      ['door', 'request', 200],
      ['door', 'request', 429],
    ])
    await using full = await opened({ requests: { ...payloadEcho, refusal: () => ({ reason: 'full', retryAfterSeconds: 2 }) } })
    // The tensors of a refused request are not read.
    for (const request of [numbers, { ...numbers, inputs: [{ ...numbers.inputs[0], shape: [3] }] }])
      assert.deepEqual((await full.caller.call(infer, request)).status, 'RESOURCE_EXHAUSTED')
  })

  it('refuses an address above its rate, and counts no health checks', async () => {
    await using here = await opened({ rateLimitPerSecond: 1 })
    const { caller } = here
    for (let at = 0; at < 3; at++) assert.equal((await caller.call('grpc.health.v1.Health/Check', {})).status, 'OK')
    assert.equal((await caller.call(ask, hello)).status, 'OK')
    const { status, error } = await caller.call(ask, hello)
    assert.deepEqual([status, error], ['RESOURCE_EXHAUSTED', 'WAGGLE_RATE_LIMIT'])
  })

  it('passes the trace in the metadata of a call to the request, for both services', async () => {
    const { requests, seen, answer } = heldRequests()
    await using here = await opened({ requests })
    const { caller } = here
    answer()
    const headers = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'vendor=1', baggage: 'shop=7' }
    assert.equal((await caller.call(infer, numbers, { headers })).status, 'OK')
    assert.equal((await caller.call(ask, hello, { headers })).status, 'OK')
    assert.equal((await caller.call(ask, hello, { headers: { ...headers, traceparent: 'something else' } })).status, 'OK')
    const [one, two, invalid] = seen.map(({ traceparent, tracestate, baggage }) => ({ traceparent, tracestate, baggage }))
    assert.deepEqual([one, two], [headers, headers])
    assert.deepEqual(invalid, { traceparent: null, tracestate: undefined, baggage: 'shop=7' })
  })

  it('passes the deadline of the call to the request, and ends the call at its deadline', async () => {
    const { requests, seen, answer } = heldRequests()
    await using here = await opened({ requests })
    const { caller } = here
    const before = systemClock.now()
    const { status } = await caller.call(infer, numbers, { timeoutMs: 300 })
    assert.equal(status, 'DEADLINE_EXCEEDED')
    const deadline = seen[0]?.deadline ?? 0
    assert.ok(deadline > before && deadline <= before + 400, String(deadline - before))
    answer()
  })

  it('frees the place of a caller that cancels', async () => {
    const { requests, seen, answer } = heldRequests()
    const limits = new CallerLimits({ clock: systemClock, limits: { ratePerSecond: null, inFlight: 1, allInFlight: 10 } })
    await using here = await opened({ requests, limits })
    const { caller } = here
    const left = new AbortController()
    const first = caller.call(ask, hello, { signal: left.signal })
    while (seen.length === 0) await new Promise(setImmediate)
    assert.equal((await caller.call(ask, hello)).error, 'WAGGLE_CALLER_LIMIT')
    left.abort()
    assert.equal((await first).status, 'CANCELLED')
    while (limits.waiting > 0) await new Promise(setImmediate)
    answer()
    assert.equal((await caller.call(ask, hello)).status, 'OK')
  })

  it('refuses calls above their limit, and ends a call whose message does not arrive', async () => {
    const { requests, seen, answer } = heldRequests()
    await using here = await opened({ requests, maxCalls: 1, messageMs: 50 })
    const { caller, gateway } = here
    const first = caller.call(ask, hello)
    while (seen.length === 0) await new Promise(setImmediate)
    assert.deepEqual((await caller.call(ask, hello)).error, 'WAGGLE_OVERLOADED')
    answer()
    assert.equal((await first).status, 'OK')
    const session = connectHttp2(`http://${gateway.address}`)
    const stream = session.request({ ':method': 'POST', ':path': `/${ask}`, 'content-type': 'application/grpc', te: 'trailers' })
    stream.write(Buffer.from([0, 0, 0, 0, 9, 1]))
    const [headers] = (await once(stream, 'response')) as [{ readonly 'grpc-status': string; readonly 'grpc-message': string }]
    assert.deepEqual([headers['grpc-status'], decodeURI(headers['grpc-message'])], ['4', 'The message took too long to arrive'])
    session.destroy()
  })

  it('closes the connection with the most bytes of unfinished messages when all connections have too many', async () => {
    await using here = await opened({ maxBodiesBytes: 150_000 })
    const { caller, gateway } = here
    const session = connectHttp2(`http://${gateway.address}`)
    session.on('error', () => {})
    const closed = once(session, 'close')
    for (let at = 0; at < 4; at++) {
      const stream = session.request({ ':method': 'POST', ':path': `/${ask}`, 'content-type': 'application/grpc', te: 'trailers' })
      stream.on('error', () => {})
      stream.write(Buffer.concat([Buffer.from([0, 0, 0, 0xea, 0x60]), Buffer.alloc(50_000)]))
    }
    await closed
    assert.equal((await caller.call(ask, hello)).status, 'OK')
  })

  it('refuses a compressed message without inflating it', async () => {
    await using here = await opened()
    const session = rawConnection(here.gateway)
    const stream = rawCall(session, 'grpc.health.v1.Health/Check', { 'grpc-encoding': 'gzip' })
    stream.end(framed(gzipSync(Buffer.alloc(0)), true))
    const headers = await refusalOf(stream)
    assert.deepEqual(
      [headers['grpc-status'], headers['waggle-error'], headers['grpc-accept-encoding']],
      ['12', 'WAGGLE_CONTENT_ENCODING', 'identity'],
    )
    const accepted = await refusalOf(rawCall(session, 'grpc.health.v1.Health/Check').end(framed(Buffer.alloc(0))))
    assert.equal(accepted['grpc-accept-encoding'], 'identity')
    session.destroy()
  })

  it('counts the parts of messages, even with many small calls on the same connection', async () => {
    await using here = await opened({ maxBodiesBytes: 90_000 })
    const session = rawConnection(here.gateway)
    const closed = once(session, 'close')
    const part = framed(Buffer.alloc(60_000)).subarray(0, 50_000)
    rawCall(session, ask).write(part)
    for (let at = 0; at < 100; at++) {
      const small = rawCall(session, 'grpc.health.v1.Health/Check')
      small.end(framed(Buffer.alloc(0)))
      small.resume()
      await once(small, 'close')
    }
    rawCall(session, ask).write(part)
    await closed
  })

  it('lets a stream send more bytes than the limit of all messages, one message after the other', async () => {
    await using here = await opened({ maxBodiesBytes: 90_000 })
    const session = rawConnection(here.gateway)
    const stream = rawCall(session, reflect)
    let [received, answerBytes] = [0, Number.POSITIVE_INFINITY]
    stream.on('data', (chunk: Buffer) => {
      if (received === 0) answerBytes = chunk.readUInt32BE(1) + 5
      received += chunk.byteLength
    })
    for (let at = 1; at <= 20; at++) {
      stream.write(framed(Buffer.concat([Buffer.from([0x0a, 0x90, 0x4e]), Buffer.alloc(10_000, 'h')])))
      while (received < at * answerBytes) await once(stream, 'data')
    }
    stream.end()
    const [trailers] = (await once(stream, 'trailers')) as [{ readonly 'grpc-status': string }]
    assert.equal(trailers['grpc-status'], '0')
    session.destroy()
  })

  it('closes the connection with the most bytes of unread answers when all connections have too many', async () => {
    await using here = await opened({ maxBodiesBytes: 300_000, requests: largeAnswers })
    const { caller, gateway } = here
    const session = rawConnection(gateway, { initialWindowSize: 0 })
    const closed = once(session, 'close')
    for (let at = 0; at < 10; at++) rawCall(session, 'waggle.v1.Gateway/Get').end(framed(Buffer.from([0x0a, 1, 0x61])))
    await closed
    assert.equal((await caller.call(ask, hello)).status, 'OK')
  })

  it('ends a call whose caller does not read its answer', async () => {
    await using here = await opened({ messageMs: 50, requests: largeAnswers })
    const session = rawConnection(here.gateway, { initialWindowSize: 0 })
    const stream = rawCall(session, 'waggle.v1.Gateway/Get')
    stream.end(framed(Buffer.from([0x0a, 1, 0x61])))
    await once(stream, 'close')
    assert.equal(stream.rstCode, 8)
    session.destroy()
  })

  it('gives a caller its whole time to read an answer, even if the process is older than that time', async () => {
    const looked = Promise.withResolvers<void>()
    let looks = 0
    const clock: Clock = {
      ...systemClock,
      elapsedMs: () => systemClock.elapsedMs() + 3_600_000,
      after(delayMs, callback) {
        if (delayMs !== 100) return systemClock.after(delayMs, callback)
        return systemClock.after(1, () => {
          callback()
          if (++looks === 3) looked.resolve()
        })
      },
    }
    await using here = await opened({ clock, requests: largeAnswers })
    const session = rawConnection(here.gateway, { initialWindowSize: 0 })
    const stream = rawCall(session, 'waggle.v1.Gateway/Get')
    const closed = once(stream, 'close')
    stream.end(framed(Buffer.from([0x0a, 1, 0x61])))
    await looked.promise
    session.settings({ initialWindowSize: 65_535 })
    stream.resume()
    await closed
    assert.equal(stream.rstCode, 0)
    session.destroy()
  })

  it('ends a stream with the status of an unreadable message', async () => {
    await using here = await opened()
    const session = rawConnection(here.gateway)
    const stream = rawCall(session, 'inference.GRPCInferenceService/ModelStreamInfer')
    stream.write(framed(Buffer.from([0x0a, 0xff, 0xff])))
    const headers = await refusalOf(stream)
    assert.deepEqual([headers['grpc-status'], headers['waggle-error']], ['3', 'WAGGLE_BAD_BODY'])
    session.destroy()
  })

  it('follows no request for a caller that left without reading', async () => {
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const { promise: sent, resolve: hasSent } = Promise.withResolvers<void>()
    const events: RequestEvents = {
      await: () => Promise.reject(new Error('Nothing is sent here')),
      async follow(_, __, listener) {
        for (let at = 0; at < 40; at++) listener({ kind: 'accepted', id: `${at}`, gateway: 'door', accepted_at: at })
        setImmediate(hasSent)
        return { finish: async () => {}, end: resolve }
      },
    }
    await using here = await opened({ events })
    const session = rawConnection(here.gateway, { initialWindowSize: 0 })
    rawCall(session, 'waggle.v1.Gateway/Events').end(framed(Buffer.from([0x0a, 1, 0x61])))
    await sent
    session.destroy()
    await ended
  })

  it('ends a stream without a first message, and a stream without a further message', async () => {
    await using here = await opened({ messageMs: 50 })
    const session = rawConnection(here.gateway)
    assert.equal((await refusalOf(rawCall(session, reflect)))['grpc-status'], '4')
    const spoken = rawCall(session, reflect)
    spoken.write(framed(Buffer.from([0x3a, 0])))
    spoken.resume()
    const [trailers] = (await once(spoken, 'trailers')) as [{ readonly 'grpc-status': string }]
    assert.equal(trailers['grpc-status'], '4')
    session.destroy()
  })

  it('stops accepting events for a caller that does not read, even if a part has only tiny values', async () => {
    const told = Promise.withResolvers<number>()
    const part: PublishedPart = { bee: 'chat', rounds: '', number: 0, part: { kind: 'json', json: Array.from({ length: 80_000 }, () => []) } }
    const events: RequestEvents = {
      await: () => Promise.reject(new Error('Nothing is sent here')),
      async follow(_, __, listener) {
        let taken = 0
        while (taken < 10_000 && listener({ kind: 'part', id: '*', part }) !== false) taken++
        told.resolve(taken)
        return { finish: async () => {}, end() {} }
      },
    }
    await using here = await opened({ events })
    const session = rawConnection(here.gateway, { initialWindowSize: 0 })
    rawCall(session, 'waggle.v1.Gateway/Events').end(framed(Buffer.from([0x0a, 1, 0x61])))
    // Such a part has 240,000 characters as text, and takes 3 MB as values.
    assert.equal(await told.promise, 3)
    session.destroy()
  })

  it('reports a gap in the parts of a request before its answer', async () => {
    const events: RequestEvents = {
      await: () => Promise.reject(new Error('Nothing is sent here')),
      async follow(_, __, listener) {
        listener({ kind: 'gap', id: '*' })
        listener({ kind: 'outcome', id: '*.!' })
        return { finish: async () => {}, end() {} }
      },
    }
    await using here = await opened({ events, requests: largeAnswers })
    const [gap, answer] = (await here.caller.stream('waggle.v1.Gateway/Events', { request_id: 'r', last_event_id: '*' })) as {
      readonly [field: string]: string
    }[]
    assert.deepEqual([gap?.id, gap?.name, JSON.parse(gap?.json ?? '').request_id, answer?.name], ['*', 'gap', 'r', 'answer'])
  })

  it('leaves free places of calls beside a single caller, and counts no calls of health and reflection', async () => {
    const { requests, seen, answer } = heldRequests()
    const callers = { areKnown: true, find: (token: string) => ({ ...anybody, name: `token:${token}` }) }
    await using here = await opened({ requests, callers, maxCalls: 4 })
    const { caller, gateway } = here
    const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
    const greedy = [caller.call(ask, hello, as('a')), caller.call(ask, hello, as('a'))]
    const session = rawConnection(gateway)
    const silent = Array.from({ length: 5 }, () => rawCall(session, reflect))
    while (seen.length < 2) await new Promise(setImmediate)
    assert.equal((await caller.call(ask, hello, as('a'))).error, 'WAGGLE_CALLER_LIMIT')
    const other = caller.call(ask, hello, as('b'))
    while (seen.length < 3) await new Promise(setImmediate)
    assert.equal((await caller.call('grpc.health.v1.Health/Check', {})).status, 'OK')
    answer()
    for (const { status } of await Promise.all([...greedy, other])) assert.equal(status, 'OK')
    assert.deepEqual(
      silent.map(({ closed }) => closed),
      Array(5).fill(false),
    )
    session.destroy()
  })

  it('gives a new connection the place of a connection whose streams are silent', async () => {
    await using here = await opened({ maxConnections: 1 })
    const session = rawConnection(here.gateway)
    const closed = once(session, 'close')
    const stream = rawCall(session, reflect)
    stream.write(framed(Buffer.from([0x3a, 0])))
    await once(stream, 'data')
    assert.equal((await here.caller.call(ask, hello)).status, 'OK')
    await closed
  })

  it('keeps no place for calls that are reset as they begin', async () => {
    await using here = await opened({ maxCalls: 1 })
    const session = rawConnection(here.gateway)
    for (let at = 0; at < 5; at++) {
      const stream = rawCall(session, ask)
      stream.close(8)
      await once(stream, 'close')
    }
    assert.equal((await here.caller.call(ask, hello)).status, 'OK')
    session.destroy()
  })

  it('writes no header of a stranger to standard error', async (t) => {
    const written = t.mock.method(console, 'error', () => {})
    await using here = await opened()
    const session = rawConnection(here.gateway)
    await refusalOf(rawCall(session, 'grpc.health.v1.Health/Check', { authorization: 'Bearer secret\u00e9' }).end(framed(Buffer.alloc(0))))
    assert.deepEqual(
      written.mock.calls.map(({ arguments: text }) => text),
      [],
    )
    session.destroy()
  })

  it('shares the places of followers with HTTP, and limits the places of health watches', async () => {
    const events: RequestEvents = {
      await: () => Promise.reject(new Error('Nothing is sent here')),
      follow: async () => ({ finish: async () => {}, end() {} }),
    }
    const callers = { areKnown: true, find: (token: string) => ({ ...anybody, name: `token:${token}` }) }
    const followers = new CallerPlaces({ max: 2, what: 'requests are followed' })
    await using here = await opened({ events, callers, followers })
    const session = rawConnection(here.gateway)
    const follow = (token: string) =>
      rawCall(session, 'waggle.v1.Gateway/Events', { authorization: `Bearer ${token}` }).end(framed(Buffer.from([0x0a, 1, 0x61])))
    const first = follow('a')
    while (followers.taken < 1) await new Promise(setImmediate)
    assert.equal((await refusalOf(follow('a')))['waggle-error'], 'WAGGLE_CALLER_LIMIT')
    const other = follow('b')
    while (followers.taken < 2) await new Promise(setImmediate)
    assert.equal((await refusalOf(follow('c')))['waggle-error'], 'WAGGLE_OVERLOADED')
    first.close(8)
    other.close(8)
    while (followers.taken > 0) await new Promise(setImmediate)
    const watches = Array.from({ length: 51 }, () => rawCall(session, 'grpc.health.v1.Health/Watch').end(framed(Buffer.alloc(0))))
    const answers = await Promise.all(watches.map(refusalOf))
    assert.deepEqual(
      answers.flatMap((headers) => headers['waggle-error'] ?? []),
      ['WAGGLE_CALLER_LIMIT'],
    )
    session.destroy()
  })

  it('accepts no message of a stream whose token is revoked, and sends no message to it', async () => {
    let send = () => {}
    const events: RequestEvents = {
      await: () => Promise.reject(new Error('Nothing is sent here')),
      async follow(_, __, listener) {
        send = () => listener({ kind: 'accepted', id: 'a', gateway: 'door', accepted_at: 1 })
        send()
        return { finish: async () => {}, end() {} }
      },
    }
    const tokens = new AccessTokens()
    tokens.replace('settings', parseTokens('asker=asker-0123456789:ask:door,read'))
    await using here = await opened({ events, callers: { areKnown: true, find: (token) => tokens.find(token) } })
    const session = rawConnection(here.gateway)
    const token = { authorization: 'Bearer asker-0123456789' }
    const asking = rawCall(session, 'inference.GRPCInferenceService/ModelStreamInfer', token)
    asking.write(framed(Buffer.from([0x0a, 1, 0x61])))
    await once(asking, 'data')
    const following = rawCall(session, 'waggle.v1.Gateway/Events', token).end(framed(Buffer.from([0x0a, 1, 0x61])))
    await once(following, 'data')
    tokens.replace('settings', [])
    const ends = Promise.all([once(asking, 'trailers'), once(following, 'trailers')])
    asking.write(framed(Buffer.from([0x0a, 1, 0x61])))
    send()
    for (const [trailers] of (await ends) as (readonly { readonly [name: string]: string }[])[]) {
      assert.deepEqual([trailers?.['grpc-status'], trailers?.['waggle-error']], ['16', 'WAGGLE_TOKEN_UNKNOWN'])
    }
    session.destroy()
  })

  it('gives a new connection the place of an idle connection', async () => {
    await using here = await opened({ maxConnections: 1 })
    const { caller, gateway } = here
    const [host = '', port = ''] = gateway.address.split(':')
    const idle = connect(Number(port), host)
    idle.on('error', () => {})
    await once(idle, 'connect')
    const closed = once(idle, 'close')
    idle.resume()
    assert.equal((await caller.call(ask, hello)).status, 'OK')
    await closed
  })

  it('ends open calls when the time for a stop has passed', async () => {
    const { requests, seen, answer } = heldRequests()
    const gateway = await openEchoGrpc({ requests })
    const caller = new GrpcCaller(gateway.address)
    const call = caller.call(ask, hello)
    while (seen.length === 0) await new Promise(setImmediate)
    await gateway.close({ timeoutMs: 10, onTimeout: answer })
    assert.equal((await call).status, 'OK')
    caller.close()
  })

  it('ends calls that wait for no request as soon as the gateway stops', async () => {
    const gateway = await openEchoGrpc()
    const caller = new GrpcCaller(gateway.address)
    const session = connectHttp2(`http://${gateway.address}`)
    const silent = session.request({
      ':method': 'POST',
      ':path': '/inference.GRPCInferenceService/ModelStreamInfer',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    const answered = once(silent, 'response')
    const watched = caller.stream('grpc.health.v1.Health/Watch', {})
    await caller.call(ask, hello)
    await gateway.close()
    assert.deepEqual(await watched, [{ status: 'SERVING' }])
    const [headers] = (await answered) as [{ readonly 'grpc-status': string }]
    assert.equal(headers['grpc-status'], '14')
    session.destroy()
    caller.close()
  })

  it('fails to open on a port that is in use, with the code of the error table', async () => {
    const port = await freePort()
    const first = await openEchoGrpc({ port })
    await assert.rejects(openEchoGrpc({ port }), { code: 'WAGGLE_PORT_IN_USE' })
    await first.close()
  })
})

describe('A gRPC gateway with a certificate', () => {
  let certificates: Certificates
  before(() => {
    certificates = new Certificates()
  })
  after(() => certificates[Symbol.dispose]())

  it('speaks only TLS, and requires the certificate of a client if an authority of clients is set', async () => {
    const { cert, key } = certificates.server
    const ca = readFileSync(certificates.ca)
    const client = [readFileSync(certificates.client.key), readFileSync(certificates.client.cert)] as const
    const statusOf = async (clientCa: string | null, tls = credentials.createSsl(ca)) => {
      const gateway = await openEchoGrpc({ tls: new TlsFiles({ cert, key, clientCa }) })
      const caller = new GrpcCaller(gateway.address.replace('127.0.0.1', 'localhost'), tls)
      const { status } = await caller.call(ask, hello, { timeoutMs: 3000 })
      caller.close()
      await gateway.close()
      return status
    }
    assert.equal(await statusOf(null), 'OK')
    assert.equal(await statusOf(certificates.ca, credentials.createSsl(ca, ...client)), 'OK')
    assert.equal(await statusOf(certificates.ca), 'UNAVAILABLE')
    assert.equal(await statusOf(null, credentials.createInsecure()), 'UNAVAILABLE')
  })
})

describe('A gRPC gateway whose certificate is replaced', () => {
  it('uses the new certificate for new connections', async () => {
    using first = new Certificates()
    using second = new Certificates()
    const directory = mkdtempSync(join(tmpdir(), 'waggle-grpc-tls-'))
    const [cert, key] = [join(directory, 'cert'), join(directory, 'key')]
    const replaceBy = ({ server }: Certificates) => {
      copyFileSync(server.cert, cert)
      copyFileSync(server.key, key)
    }
    replaceBy(first)
    let look = () => {}
    const clock: Clock = {
      now: () => systemClock.now(),
      elapsedMs: () => systemClock.elapsedMs(),
      after(delayMs, callback) {
        // The files are checked every two seconds, or when the test asks for it.
        if (delayMs !== 2000) return systemClock.after(delayMs, callback)
        look = callback
        return () => {}
      },
    }
    const gateway = await openEchoGrpc({ clock, tls: new TlsFiles({ cert, key, clientCa: null }) })
    const statusWith = async ({ ca }: Certificates) => {
      const caller = new GrpcCaller(gateway.address.replace('127.0.0.1', 'localhost'), credentials.createSsl(readFileSync(ca)))
      const { status } = await caller.call(ask, hello, { timeoutMs: 5000 })
      caller.close()
      return status
    }
    assert.deepEqual([await statusWith(first), await statusWith(second)], ['OK', 'UNAVAILABLE'])
    replaceBy(second)
    look()
    assert.deepEqual([await statusWith(first), await statusWith(second)], ['UNAVAILABLE', 'OK'])
    await gateway.close()
    rmSync(directory, { recursive: true })
  })
})

describe('Durable answers over gRPC', () => {
  it('report a failure of the engine as the status of the call', async () => {
    const failing = {
      ...payloadEcho,
      request: () => Promise.reject(new Error('a secret path /home/x')),
      submit: async ({ id }: NewRequest) => readBack({ id }),
    }
    const errors: unknown[] = []
    await using here = await opened({ requests: failing, onError: (error) => errors.push(error) })
    const { caller } = here
    const { status, details } = await caller.call(ask, hello)
    assert.deepEqual([status, /secret/.test(details), errors.length], ['INTERNAL', false, 1])
  })
})
