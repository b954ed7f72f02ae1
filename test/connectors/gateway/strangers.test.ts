import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { noTokens } from '../../../connectors/gateway/access/caller.ts'
import { type HttpGateway, type HttpGatewayOptions, openHttpGateway, type TimeLimits } from '../../../connectors/gateway/http/http-gateway.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { readBack } from '../../../topology/swarm/request/durable.ts'
import type { Requests } from '../../../topology/swarm/request/requests.ts'
import { connected, heard, type RawResponse, talk } from '../../support/raw-http.ts'
import { requestIds } from '../../support/request-ids.ts'

const maxBodyBytes = 4 * 1024 * 1024
const entrance = '/v1/gateways/door/request'

/** Answers every request with the request's own body. */
const echo: Requests = {
  gateways: ['door'],
  refusal: () => null,
  submit: async ({ id }) => readBack({ id }),
  request: async ({ id, body, contentType }) => readBack({ id, state: 'answered', answer: { kind: 'bytes', bytes: body, contentType } }),
  find: async () => null,
}

const timeLimits: TimeLimits = { headersMs: 400, requestMs: 3000, idleMs: 2000, minBytesPerSecond: 1000, slowWindowMs: 400 }

describe('The HTTP gateway and misbehaving callers', () => {
  const errors: unknown[] = []
  const sockets: Socket[] = []
  let gateway: HttpGateway

  before(async () => {
    gateway = await openHttpGateway(optionsFor())
  })

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy()
    assert.deepEqual(errors, [])
  })

  after(() => gateway.close())

  function optionsFor(more: Partial<HttpGatewayOptions> = {}): HttpGatewayOptions {
    return {
      requests: echo,
      callers: noTokens,
      clock: systemClock,
      requestIds: requestIds(),
      host: '127.0.0.1',
      port: 0,
      requestTimeoutMs: 5000,
      maxBodyBytes,
      maxBodiesBytes: 2 * maxBodyBytes,
      maxConnections: 200,
      names: [],
      timeLimits,
      rateLimitPerSecond: null,
      notReady: () => null,
      onError: (error) => errors.push(error),
      onAnswered: () => {},
      metrics: () => '',
      ...more,
    }
  }

  async function open(bytes = ''): Promise<Socket> {
    const socket = await connected(gateway.url)
    sockets.push(socket)
    if (bytes !== '') socket.write(bytes)
    return socket
  }

  function head(headers: { readonly [name: string]: string | number }, method = 'POST', path = entrance): string {
    const lines = Object.entries({ host: 'localhost', connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
    return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
  }

  async function neighbour(): Promise<number> {
    const response = await fetch(`${gateway.url}${entrance}`, {
      method: 'POST',
      body: new Uint8Array(1000),
      headers: { 'content-type': 'image/png' },
    })
    return response.status
  }

  async function post(body: Uint8Array<ArrayBuffer> | FormData, headers: { readonly [name: string]: string } = {}): Promise<Response> {
    return fetch(`${gateway.url}${entrance}`, { method: 'POST', body, headers })
  }

  /** Checks that a response is a problem with this status, and returns the problem's code. */
  function problemIn(response: RawResponse | undefined, status: number, what = ''): string {
    assert.equal(response?.status, status, what)
    assert.match(response?.headers.get('content-type') ?? '', /^application\/problem\+json(;|$)/, what)
    const problem = JSON.parse(response?.body ?? '') as { status: number; code: string; title: string; request_id: string }
    assert.equal(problem.status, status)
    assert.equal(problem.request_id, response?.headers.get('x-request-id'), what)
    return problem.code
  }

  async function problemOf(response: Response, status: number, what = ''): Promise<string> {
    const body = await response.text()
    return problemIn({ status: response.status, headers: new Map(response.headers), body }, status, what)
  }

  it('an announced body takes no memory until it arrives', async () => {
    for (let at = 0; at < 8; at++) await open(head({ 'content-length': maxBodyBytes, 'content-type': 'image/png' }))
    assert.equal(await neighbour(), 200)
    for (let at = 0; at < 8; at++) await open(head({ 'transfer-encoding': 'chunked', 'content-type': 'image/png' }))
    assert.equal(await neighbour(), 200)
    assert.equal(gateway.heldBytes, 0)
  })

  it('a thousand silent connections lock nobody out: a new connection replaces an older connection', async () => {
    const silent = await Promise.all(Array.from({ length: 1000 }, (_, at) => open(at % 2 === 0 ? '' : 'POST /v1/gate')))
    assert.equal(await neighbour(), 200)
    for (const socket of silent) socket.destroy()
  })

  it('a silent connection at the limit closes an older connection, so that no more connections are open than allowed', async () => {
    const bounded = await openHttpGateway(
      optionsFor({ maxConnections: 5, timeLimits: { ...timeLimits, headersMs: 60_000, requestMs: 60_000, idleMs: 60_000 } }),
    )
    for (let at = 0; at < 20; at++) sockets.push((await connected(bounded.url)).resume())
    const stillOpen = () => sockets.filter(({ closed }) => !closed).length
    for (let turn = 0; turn < 20_000 && stillOpen() > 5; turn++) await new Promise(setImmediate)
    const open = stillOpen()
    for (const socket of sockets) socket.destroy()
    await bounded.close()
    assert.equal(open, 5)
  })

  it('a caller whose connection is replaced before its first request gets 503', async () => {
    const callers = await Promise.all(
      Array.from({ length: 450 }, async () => {
        const socket = await open()
        const caller = { socket, statuses: [] as number[], heard: Promise.resolve() }
        caller.heard = heard(socket).then((responses) => void caller.statuses.push(...responses.map(({ status }) => status)))
        return caller
      }),
    )
    const turnedAway = () => callers.filter(({ socket }) => socket.closed)
    for (let turn = 0; turn < 20_000 && turnedAway().length < 250; turn++) await new Promise(setImmediate)
    const away = turnedAway()
    assert.equal(away.length, 250)
    for (const { socket } of callers) socket.write(`${head({ 'content-length': 1, 'content-type': 'image/png' })}x`)
    await Promise.all(callers.map((caller) => caller.heard))
    for (const caller of callers) assert.deepEqual(caller.statuses, [away.includes(caller) ? 503 : 200])
  })

  it('a caller that sends nothing, or sends headers slowly, is disconnected', async () => {
    const silent = await heard(await open())
    assert.equal(problemIn(silent[0], 408), 'WAGGLE_SLOW_REQUEST')
    const loris = await open('POST / HTTP/1.1\r\n')
    const dripping = setInterval(() => loris.write('x-a: b\r\n'), 50)
    assert.equal(problemIn((await heard(loris))[0], 408), 'WAGGLE_SLOW_REQUEST')
    clearInterval(dripping)
  })

  it('a caller that sends a body slowly, or stops sending, gets 408, and the received bytes are freed', async () => {
    const slow = await open(head({ 'content-length': 100_000, 'content-type': 'image/png' }) + 'x'.repeat(5000))
    const dripping = setInterval(() => slow.write('x'), 50)
    assert.equal(problemIn((await heard(slow))[0], 408), 'WAGGLE_SLOW_BODY')
    clearInterval(dripping)
    assert.equal(gateway.heldBytes, 0)
  })

  it('a caller that sends just fast enough is disconnected after a total time', async () => {
    const endless = await open(head({ 'transfer-encoding': 'chunked', 'content-type': 'image/png' }))
    const dripping = setInterval(() => endless.write(`400\r\n${'x'.repeat(0x400)}\r\n`), 100)
    await heard(endless)
    clearInterval(dripping)
    assert.equal(await neighbour(), 200)
    assert.equal(gateway.heldBytes, 0)
  })

  it('an unfinished body is dropped if a later body needs its memory', async () => {
    const stalled = [await open(), await open()].map((socket) => {
      socket.write(head({ 'content-length': maxBodyBytes, 'content-type': 'image/png' }))
      socket.write(Buffer.alloc(maxBodyBytes - 1))
      return heard(socket)
    })
    while (gateway.heldBytes < 2 * (maxBodyBytes - 1)) await new Promise(setImmediate)
    assert.equal(await neighbour(), 200)
    for (const one of stalled) assert.ok([408, 503].includes((await one)[0]?.status ?? 0))
    assert.equal(gateway.heldBytes, 0)
  })

  it('a caller that disconnects in the middle of a body leaves no memory in use', async () => {
    const gone = await open(head({ 'content-length': 100_000, 'content-type': 'image/png' }) + 'x'.repeat(50_000))
    while (gateway.heldBytes === 0) await new Promise(setImmediate)
    gone.destroy()
    while (gateway.heldBytes > 0) await new Promise(setImmediate)
    assert.equal(await neighbour(), 200)
  })

  it('a caller that pipelines requests and disconnects leaves no memory in use', async () => {
    const one = head({ 'content-length': 5, 'content-type': 'image/png', connection: 'keep-alive' })
    for (let time = 0; time < 50; time++) await talk(gateway.url, `${one}photo${one}photo${one}photononsense`)
    for (let turn = 0; turn < 1000 && gateway.heldBytes > 0; turn++) await new Promise(setImmediate)
    assert.equal(gateway.heldBytes, 0)
  })

  it('a body that is too large, or announced with Expect: 100-continue, is refused before it is read', async () => {
    const large = await talk(gateway.url, head({ 'content-length': maxBodyBytes + 1, 'content-type': 'image/png' }))
    assert.equal(problemIn(large[0], 413), 'WAGGLE_BODY_TOO_LARGE')
    assert.equal(large[0]?.headers.get('connection'), 'close')
    const asking = await talk(gateway.url, head({ 'content-length': maxBodyBytes + 1, 'content-type': 'image/png', expect: '100-continue' }))
    assert.deepEqual(
      asking.map(({ status }) => status),
      [413],
    )
    const nowhere = await talk(gateway.url, head({ 'content-length': 10, 'content-type': 'image/png' }, 'POST', '/nowhere'))
    assert.equal(problemIn(nowhere[0], 404), 'WAGGLE_NOT_FOUND')
    problemIn((await talk(gateway.url, head({ 'content-length': 10, expect: 'a miracle' })))[0], 417)
  })

  it('an accepted request with Expect: 100-continue is asked for its body', async () => {
    const socket = await open(head({ 'content-length': 3, 'content-type': 'image/png', expect: '100-continue' }))
    socket.once('data', () => socket.write('abc'))
    const [goOn, answer] = await heard(socket)
    assert.deepEqual([goOn?.status, answer?.status, answer?.body], [100, 200, 'abc'])
  })

  it('an encoded body is decoded only up to the limit of a body', async () => {
    const plain = Buffer.from('{"a":1}')
    for (const [encoding, encoded] of [
      ['gzip', gzipSync(plain)],
      ['deflate', deflateSync(plain)],
      ['br', brotliCompressSync(plain)],
      ['identity', plain],
    ] as const) {
      const response = await post(Uint8Array.from(encoded), { 'content-type': 'application/json', 'content-encoding': encoding })
      assert.equal(await response.text(), '{"a":1}', encoding)
    }
    const bomb = Buffer.alloc(maxBodyBytes + 1)
    for (const [encoding, encoded] of [
      ['gzip', gzipSync(bomb)],
      ['deflate', deflateSync(bomb)],
      ['br', brotliCompressSync(bomb)],
    ] as const)
      assert.equal(await problemOf(await post(Uint8Array.from(encoded), { 'content-encoding': encoding }), 413, encoding), 'WAGGLE_BODY_TOO_LARGE')
    const whole = gzipSync(plain)
    for (const broken of [Buffer.from('no gzip'), whole.subarray(0, 10), whole.subarray(0, whole.length - 4)])
      assert.equal(await problemOf(await post(Uint8Array.from(broken), { 'content-encoding': 'gzip' }), 400), 'WAGGLE_BAD_BODY')
    for (const encoding of ['zstd', 'gzip, gzip', '__proto__', 'toString', 'compress'])
      assert.equal(await problemOf(await post(Uint8Array.from(plain), { 'content-encoding': encoding }), 415, encoding), 'WAGGLE_CONTENT_ENCODING')
    assert.equal(gateway.heldBytes, 0)
  })

  it('a text field of a form keeps its bytes, or the form is refused', async () => {
    const form = new FormData()
    form.set('text', 'x'.repeat(2_000_000))
    form.set('__proto__', 'y')
    const taken = (await (await post(form)).json()) as { text: string }
    assert.equal(taken.text.length, 2_000_000)
    assert.ok(Object.hasOwn(taken, '__proto__'))
    form.set('more', 'x'.repeat(maxBodyBytes))
    assert.equal(await problemOf(await post(form), 413), 'WAGGLE_BODY_TOO_LARGE')
  })

  it('a form can have a replacement character in a field, and a file of any bytes', async () => {
    const form = new FormData()
    form.set('text', 'one \ufffd two')
    form.set('photo', new Blob([Uint8Array.of(0xff, 0xd8, 0xff)], { type: 'image/jpeg' }), 'photo.jpg')
    assert.deepEqual(new Uint8Array(await (await post(form)).arrayBuffer()), Uint8Array.of(0xff, 0xd8, 0xff))
    const file = '--b\r\ncontent-disposition: form-data; name="photo"; filename="a"\r\n\r\n\xff\r\n'
    const field = '--b\r\ncontent-disposition: form-data; name="a; filename=b"\r\n\r\n\xff\r\n'
    const body = Uint8Array.from(Buffer.from(`${file}${field}--b--\r\n`, 'latin1'))
    assert.equal(await problemOf(await post(body, { 'content-type': 'multipart/form-data; boundary=b' }), 400), 'WAGGLE_BAD_BODY')
  })

  it('a malformed form gets an error that names the mistake', async () => {
    const part = '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n'
    const type = 'multipart/form-data; boundary=b'
    for (const { what, body, contentType = type, status = 400 } of [
      { what: 'no boundary', body: `${part}--b--\r\n`, contentType: 'multipart/form-data' },
      { what: 'another boundary', body: `${part}--b--\r\n`, contentType: 'multipart/form-data; boundary=c' },
      { what: 'no end', body: part },
      { what: 'half a header', body: '--b\r\ncontent-dis' },
      { what: 'nonsense', body: 'nonsense' },
      { what: 'no part', body: '--b--\r\n' },
      { what: 'a field twice', body: `${part}${part}--b--\r\n` },
      { what: 'a field that is no UTF-8', body: Buffer.from(`${part.replace('\r\n1\r\n', '\r\n\xff\r\n')}--b--\r\n`, 'latin1') },
      { what: 'a thousand parts', body: `${part.repeat(1000)}--b--\r\n`, status: 413 },
    ]) {
      const response = await post(Uint8Array.from(Buffer.from(body)), { 'content-type': contentType })
      await problemOf(response, status, what)
    }
  })

  it('an invalid HTTP request gets problem+json', async () => {
    for (const { what, bytes, status } of [
      { what: 'nonsense', bytes: 'nonsense\r\n\r\n', status: 400 },
      { what: 'TLS', bytes: Buffer.from('16030100a5010000a1', 'hex'), status: 400 },
      { what: 'an unknown method', bytes: head({}, 'FLY'), status: 400 },
      { what: 'a URL that decodes to nothing', bytes: head({}, 'GET', '/v1/requests/%zz'), status: 400 },
      { what: 'a URL that is no UTF-8', bytes: head({}, 'GET', '/v1/requests/%ff'), status: 400 },
      { what: 'an id of other letters', bytes: head({}, 'GET', '/v1/requests/%C3%A9'), status: 404 },
      { what: 'an id with a line break', bytes: head({}, 'GET', '/v1/requests/a%0D%0Ab'), status: 404 },
      { what: 'an id of 10,000 letters', bytes: head({}, 'GET', `/v1/requests/${'a'.repeat(10_000)}`), status: 414 },
      { what: 'large headers', bytes: head({ a: 'a'.repeat(20_000) }), status: 431 },
      { what: 'no Host', bytes: `GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n`, status: 400 },
      { what: 'no Host in HTTP/1.0', bytes: `GET /healthz HTTP/1.0\r\n\r\n`, status: 400 },
      { what: 'two Hosts', bytes: `GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: evil\r\nconnection: close\r\n\r\n`, status: 400 },
      { what: 'two lengths', bytes: `${head({ 'content-length': 3 }).slice(0, -2)}content-length: 4\r\n\r\nabcd`, status: 400 },
      { what: 'a length and chunks', bytes: `${head({ 'content-length': 3, 'transfer-encoding': 'chunked' })}0\r\n\r\n`, status: 400 },
      { what: 'a length that is none', bytes: `${head({ 'content-length': '-1' })}`, status: 400 },
      { what: 'chunks that are none', bytes: `${head({ 'transfer-encoding': 'chunked', 'content-type': 'image/png' })}zz\r\nabc\r\n`, status: 400 },
      { what: 'a method that is not there', bytes: head({}, 'DELETE'), status: 405 },
      { what: 'a tunnel', bytes: head({}, 'PROPFIND', '/healthz'), status: 405 },
    ]) {
      const responses = await talk(gateway.url, bytes)
      problemIn(responses[0], status, what)
      assert.equal(responses.length, 1, what)
    }
  })

  it('bytes that a proxy might read as two requests get one answer, and the connection closes', async () => {
    const second = 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n'
    const withHeaders = (...lines: readonly string[]) =>
      `POST ${entrance} HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n${lines.join('\r\n')}\r\n\r\n`
    for (const bytes of [
      `${withHeaders(`content-length: ${second.length}`, 'transfer-encoding: chunked')}0\r\n\r\n${second}`,
      `${withHeaders('transfer-encoding : chunked')}0\r\n\r\n${second}`,
      `${withHeaders('transfer-encoding: chunked, identity')}0\r\n\r\n${second}`,
      withHeaders('transfer-encoding: xchunked') + second,
      `${withHeaders('transfer-encoding: chunked', 'transfer-encoding: chunked', 'content-length: 3')}0\r\n\r\n${second}`,
      `${withHeaders('content-length: 3', 'content-length: 3, 4')}abc${second}`,
      `${withHeaders('content-length: +3')}abc${second}`,
      `${withHeaders('content-length: 3', ' folded: header')}abc${second}`,
      `${withHeaders('transfer-encoding: chunked')}3;x\nabc\r\n0\r\n\r\n${second}`,
      `${withHeaders('transfer-encoding: chunked')}0x3\r\nabc\r\n0\r\n\r\n${second}`,
      withHeaders('x: a\rb', 'content-length: 0') + second,
      withHeaders('x: a\u0000b', 'content-length: 0') + second,
    ]) {
      const responses = await talk(gateway.url, bytes)
      assert.equal(responses.length, 1, bytes)
      problemIn(responses[0], 400, bytes)
    }
  })

  it('a body of ten gigabytes is refused, whether announced or not, and is read only up to the limit of a body', async () => {
    const tenGigabytes = 10 * 1024 ** 3
    const [announced] = await talk(gateway.url, head({ 'content-length': tenGigabytes, 'content-type': 'image/png' }))
    problemIn(announced, 413)
    const socket = await open(head({ 'transfer-encoding': 'chunked', 'content-type': 'image/png' }))
    const answer = heard(socket)
    const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(0x100000), Buffer.from('\r\n')])
    let sent = 0
    while (sent < tenGigabytes && socket.writable && !socket.destroyed) {
      sent += chunk.length
      if (!socket.write(chunk)) await new Promise<void>((settle) => void socket.once('drain', settle).once('close', settle))
      if (sent > 64 * maxBodyBytes) break
    }
    problemIn((await answer)[0], 413)
    assert.ok(sent < 16 * maxBodyBytes, `${sent} bytes were taken`)
    assert.equal(gateway.heldBytes, 0)
  })

  it('a path that leads elsewhere, such as out of the page’s folder, finds no file', async () => {
    for (const path of [
      '/../../etc/passwd',
      '/page/../../../etc/passwd',
      '/page/%2e%2e/%2e%2e/package.json',
      '/page/..%2f..%2fpackage.json',
      '/page/..%5c..%5cpackage.json',
      '/%00',
      '//etc/passwd',
      '/v1/gateways/..%2f..%2fv1%2ftokens/request',
      'http://evil.example/etc/passwd',
    ]) {
      const [response] = await talk(gateway.url, head({}, 'GET', path))
      assert.ok([400, 404, 405, 421].includes(response?.status ?? 0), `${path}: ${response?.status}`)
      assert.equal(response?.body.includes('root:'), false)
    }
  })

  it('a request from a page of another site, or under a foreign host name, is refused at every path', async () => {
    for (const [method, path] of [
      ['GET', '/healthz'],
      ['GET', '/v1/requests/a'],
      ['GET', '/nothing'],
      ['POST', entrance],
      ['OPTIONS', entrance],
    ] as const) {
      assert.equal(problemIn((await talk(gateway.url, head({ host: 'evil.example' }, method, path)))[0], 421), 'WAGGLE_UNKNOWN_HOST')
      for (const foreign of [{ 'sec-fetch-site': 'cross-site' }, { origin: 'http://evil.example' }, { origin: 'null' }] as const)
        assert.equal(problemIn((await talk(gateway.url, head({ ...foreign }, method, path)))[0], 403), 'WAGGLE_CROSS_SITE')
    }
    const [own] = await talk(gateway.url, head({ 'sec-fetch-site': 'same-origin', origin: gateway.url }, 'GET', '/healthz'))
    assert.equal(own?.status, 200)
  })

  it('a request under a configured host name is accepted', async () => {
    const named = await openHttpGateway(optionsFor({ names: ['waggle'] }))
    assert.equal((await talk(named.url, head({ host: 'waggle:8088' }, 'GET', '/healthz')))[0]?.status, 200)
    assert.equal((await talk(gateway.url, head({ host: 'waggle:8088' }, 'GET', '/healthz')))[0]?.status, 421)
    await named.close()
  })
})
