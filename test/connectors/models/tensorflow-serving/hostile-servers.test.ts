import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, createServer as createPlainServer, type Server as PlainServer, type Socket } from 'node:net'
import { afterEach, describe, it } from 'node:test'
import { Server as GrpcServer, Metadata, ServerCredentials, type sendUnaryData, status } from '@grpc/grpc-js'
import { decodeMessage, encodeMessage } from '../../../../connectors/models/tensorflow-serving/prediction-schema.ts'
import { ServerHosts } from '../../../../connectors/models/tensorflow-serving/server-hosts.ts'
import { TensorFlowServing } from '../../../../connectors/models/tensorflow-serving/tensorflow-serving.ts'
import { systemClock } from '../../../../connectors/system/system-clock.ts'
import type { Clock } from '../../../../processor/ports.ts'
import type { ModelRow, OpenModel } from '../../../../topology/swarm/ports/models.ts'

let waits = 0
const clock: Clock = {
  now: () => systemClock.now(),
  elapsedMs: () => systemClock.elapsedMs(),
  after(ms, act) {
    waits++
    return systemClock.after(ms, act)
  },
}
const options = {
  clock,
  hosts: new ServerHosts('localhost, no-such-host.invalid'),
  patienceMs: 200,
  connectMs: 1000,
  metadataMs: 1000,
}
const models = new TensorFlowServing(options)
const told = { fit: {}, tls: {}, log: () => {} }
const { signal } = new AbortController()
const row: ModelRow = { kind: 'tensors', tensors: [{ shape: [2], data: Float32Array.of(1, 2) }] }
const closers: (() => unknown)[] = []
async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close()
}

describe('A TensorFlow Serving over HTTP', () => {
  afterEach(closeAll)

  const answers: readonly (readonly [what: string, body: string, said: RegExp])[] = [
    ['text that is not JSON', '<html>Welcome</html>', /something that is not JSON: <html>/],
    ['nothing', '', /something that is not JSON/],
    ['JSON without outputs', '{"predictions": [[1, 2], [3, 4]]}', /without "outputs"/],
    ['null', 'null', /without "outputs"/],
    ['another output', '{"outputs": {"z": [[1, 2], [3, 4]]}}', /without the output y/],
    ['too few rows', '{"outputs": [[1, 2]]}', /the shape \[1, 2\] for the output y, where 2 rows have \[2, 2\]/],
    ['too many rows', '{"outputs": [[1, 2], [3, 4], [5, 6]]}', /the shape \[3, 2\] for the output y, where 2 rows have \[2, 2\]/],
    ['no rows', '{"outputs": []}', /the shape \[0\] for the output y/],
    ['rows of another width', '{"outputs": [[1, 2, 3], [4, 5, 6]]}', /the shape \[2, 3\] for the output y/],
    ['rows of different widths', '{"outputs": [[1, 2], [3]]}', /a ragged list for the output y/],
    ['a value instead of a list', '{"outputs": [[1, 2], 3]}', /a ragged list for the output y/],
    ['a number instead of a tensor', '{"outputs": 7}', /the shape \[\] for the output y/],
    ['words instead of numbers', '{"outputs": [["a", 2], [3, 4]]}', /"a", which is no FP32, for the output y/],
    ['null instead of a number', '{"outputs": [[null, 2], [3, 4]]}', /null, which is no FP32, for the output y/],
    ['a million nested lists', `{"outputs": ${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`, /a list of more than 2 dimensions/],
  ]
  for (const [what, body, said] of answers)
    it(`that answers with ${what} fails the batch, but not the process`, async () => {
      const model = await openHttp((_, response) => response.end(body))
      await assert.rejects(model.run([row, row], signal), { code: 'WAGGLE_MODEL_ANSWER', message: said })
    })

  it('that redirects a call is not followed', async () => {
    let asked = 0
    const other = await listening(createServer((_, response) => response.end(String(++asked))))
    const model = await openHttp((_, response) => response.writeHead(307, { location: `http://127.0.0.1:${other}/` }).end())
    await assert.rejects(model.run([row], signal), { code: 'WAGGLE_MODEL_ANSWER', message: /redirects to "http.*, which is not followed/ })
    assert.equal(asked, 0)
  })

  it('that sends an answer larger than the limit is not read to its end', async () => {
    const told = await openHttp((_, response) => response.writeHead(200, { 'content-length': 2 ** 40 }).write('{'))
    await assert.rejects(told.run([row], signal), { code: 'WAGGLE_MODEL_ANSWER', message: /more than 64 MiB/ })
    let written = 0
    const flood = Buffer.alloc(1024 * 1024, '1')
    const endless = await openHttp((_, response) => {
      const write = () => {
        if (response.destroyed) return
        written += flood.length
        response.write(flood, write)
      }
      write()
    })
    await assert.rejects(endless.run([row], signal), { code: 'WAGGLE_MODEL_ANSWER', message: /more than 64 MiB/ })
    assert.ok(written < 200 * 1024 * 1024, `${written} bytes`)
  })

  const crowds: readonly (readonly [what: string, body: string])[] = [
    ['numbers', `{"outputs": [${'1,'.repeat(4_194_304)}1]}`],
    ['empty lists', `{"outputs": [${'[],'.repeat(2_200_000)}[]]}`],
    ['lists in lists', `{"outputs": ${'['.repeat(4_194_304)}${']'.repeat(4_194_304)}}`],
  ]
  for (const [what, body] of crowds)
    it(`that answers with millions of ${what} is refused before the values are in memory`, async () => {
      const model = await openHttp((_, response) => response.end(body))
      await assert.rejects(model.run([row], signal), { code: 'WAGGLE_MODEL_ANSWER', message: /answers with more than 4,194,304 values/ })
    })

  it('that sends an error of a megabyte is quoted only with the beginning of the error', async () => {
    const model = await openHttp((_, response) => response.writeHead(400).end(`{"error": "the shape", "more": [${'[],'.repeat(500_000)}[]]}`))
    await assert.rejects(model.run([row], signal), { code: 'WAGGLE_MODEL_FAILED', message: /answers 400: \{"error": "the shape", "more": \[\[\]/ })
  })

  it('that switches to another protocol is disconnected at once', async () => {
    const port = await listening(
      createPlainServer((socket) =>
        socket
          .on('error', () => {})
          .once('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')),
      ),
    )
    const url = `http://127.0.0.1:${port}/v1/models/m`
    await assert.rejects(models.open({ url, fit: {}, tls: {}, log: () => {} }), {
      code: 'WAGGLE_MODEL_SERVER_AWAY',
      message: /broke off the connection: it ended without an answer/,
    })
  })

  const unended: readonly (readonly [what: string, body: string])[] = [
    ['escaped quotes', '\\"'.repeat(500_000)],
    ['escaped quotes before an end of line', `${'"\\"'.repeat(300_000)}\\\n`],
    ['a backslash at the end', `"${'\\"'.repeat(500_000)}\\`],
  ]
  for (const [what, body] of unended)
    it(`that answers with a million characters of ${what} is refused within five seconds`, async () => {
      const model = await openHttp((_, response) => response.end(body))
      const from = performance.now()
      await assert.rejects(model.run([row], signal), { code: 'WAGGLE_MODEL_ANSWER', message: /not JSON/ })
      assert.ok(performance.now() - from < 5000, `${performance.now() - from} ms`)
    })

  it('that compresses an answer without being asked is not decompressed', async () => {
    const model = await openHttp((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'))
    await assert.rejects(model.run([row], signal), { code: 'WAGGLE_MODEL_ANSWER', message: /in the encoding gzip/ })
  })

  it('that refuses the input is quoted in one line, and called once', async () => {
    let asked = 0
    const model = await openHttp((_, response) => {
      asked++
      response.writeHead(400).end(JSON.stringify({ error: `bad\u001b[31m\nshape ${'x'.repeat(5000)}` }))
    })
    await assert.rejects(model.run([row], signal), { code: 'WAGGLE_MODEL_FAILED', message: /answers 400: bad \[31m shape x{200,400} …$/ })
    assert.equal(asked, 1)
  })

  it('that does not know an id in the input turns the request into a refusal', async () => {
    const model = await openHttp((_, response) => response.writeHead(400).end('{"error": "indices[0,1] = 99 is not in [0, 20)"}'))
    await assert.rejects(model.run([row], signal), { code: 'WAGGLE_REFUSED' })
  })

  it('that is too busy is called again, and then reported as unreachable', async () => {
    let asked = 0
    const model = await openHttp((_, response) => {
      asked++
      response.writeHead(503).end('{"error": "The batch scheduling queue is full"}')
    })
    await assert.rejects(model.run([row], signal), { code: 'WAGGLE_MODEL_SERVER_AWAY', message: /answers 503: The batch scheduling queue is full/ })
    assert.ok(asked > 1, `${asked} calls`)
  })

  it('that breaks off each connection is called twice', async () => {
    let asked = 0
    const model = await openHttp((request) => {
      asked++
      request.socket.destroy()
    })
    await assert.rejects(model.run([row], signal), { code: 'WAGGLE_MODEL_SERVER_AWAY', message: /broke off the connection/ })
    assert.equal(asked, 2)
  })

  it('that breaks off one connection answers the repeated call', async () => {
    let asked = 0
    const model = await openHttp((request, response) => {
      if (asked++ === 0) request.socket.destroy()
      else response.end('{"outputs": [[3, 4]]}')
    })
    assert.deepEqual(await model.run([row], signal), [{ outputs: { y: { shape: [2], values: [3, 4] } } }])
  })

  it('that gives no answer is disconnected at the deadline of the call, and not called again', async () => {
    let asked = 0
    const limit = new AbortController()
    const closed = Promise.withResolvers<void>()
    const model = await openHttp((_, response) => {
      asked++
      response.on('close', closed.resolve)
      limit.abort()
    })
    await assert.rejects(model.run([row], limit.signal), { code: 'WAGGLE_DEADLINE', message: /gave no answer in time/ })
    await closed.promise
    assert.equal(asked, 1)
  })

  it('is not called for a request whose deadline has passed', async () => {
    let asked = 0
    const model = await openHttp(() => asked++)
    await assert.rejects(model.run([row], signal, { deadline: 1 }), { code: 'WAGGLE_DEADLINE' })
    assert.equal(asked, 0)
  })

  it('that is really another kind of server is reported as such', async () => {
    const port = await plainServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
    await assert.rejects(openAt(`http://127.0.0.1:${port}/v1/models/m`), { code: 'WAGGLE_MODEL_ANSWER', message: /something that is not HTTP/ })
    await assert.rejects(openAt(`grpc://127.0.0.1:${port}/v1/models/m`), { code: 'WAGGLE_MODEL_SERVER_AWAY' })
  })

  it('that accepts connections and sends nothing is reported as unreachable', async () => {
    const port = await plainServer(() => {})
    for (const protocol of ['http', 'grpc', 'https', 'grpcs'])
      await assert.rejects(openAt(`${protocol}://127.0.0.1:${port}/v1/models/m`), { code: 'WAGGLE_MODEL_SERVER_AWAY' }, protocol)
  })

  it('is refused if its metadata describes an impossible model', async () => {
    const tensor = (size: unknown) => ({ dtype: 'DT_FLOAT', tensor_shape: { dim: [{ size }], unknown_rank: false } })
    const told = (inputs: object, outputs: object = { y: tensor('-1') }) => ({
      metadata: { signature_def: { signature_def: { serving_default: { inputs, outputs } } } },
    })
    const cases: readonly (readonly [body: unknown, code: string, said: RegExp])[] = [
      ['Hello', 'WAGGLE_MODEL_ANSWER', /without a model’s metadata/],
      [{ metadata: {} }, 'WAGGLE_MODEL_ANSWER', /without a model’s metadata/],
      [told({ x: tensor('-7') }), 'WAGGLE_MODEL_ANSWER', /the tensor x with a shape that cannot be/],
      [told({ x: tensor('many') }), 'WAGGLE_MODEL_ANSWER', /the tensor x with a shape that cannot be/],
      [told({ 'x\n': tensor('-1') }), 'WAGGLE_MODEL_ANSWER', /a tensor with the name/],
      [
        told(Object.fromEntries(Array.from({ length: 2000 }, (_, at) => [`x${at}`, tensor('-1')]))),
        'WAGGLE_MODEL_ANSWER',
        /a signature of 2000 tensors/,
      ],
      [told({ x: { ...tensor('-1'), tensor_shape: { unknown_rank: true } } }), 'WAGGLE_MODEL_INVALID', /x of .* has an unknown rank/],
      [told({ x: { ...tensor('-1'), dtype: 'DT_BFLOAT16' } }), 'WAGGLE_MODEL_INVALID', /is of type DT_BFLOAT16/],
      [told({ x: tensor('99999999999') }), 'WAGGLE_MODEL_INVALID', /has 99999999999 values/],
      [told({}), 'WAGGLE_MODEL_INVALID', /takes no inputs/],
      [told({ x: tensor('-1') }, {}), 'WAGGLE_MODEL_INVALID', /gives nothing/],
      [{ ...told({ x: tensor('-1') }), model_spec: { version: '4' } }, 'WAGGLE_MODEL_INVALID', /answers for version 4, not for 3/],
    ]
    for (const [body, code, message] of cases) {
      const port = await listening(createServer((_, response) => response.end(JSON.stringify(body))))
      await assert.rejects(openAt(`http://127.0.0.1:${port}/v1/models/m/versions/3`), { code, message }, JSON.stringify(body).slice(0, 80))
    }
  })
})

describe('A TensorFlow Serving over gRPC', () => {
  afterEach(closeAll)

  type Answer = Parameters<typeof encodeMessage<'PredictResponse'>>[1]
  const floats = (...values: readonly number[]) => ({ dtype: 1, tensorShape: { dim: [{ size: values.length / 2 }, { size: 2 }] }, floatVal: values })
  const answers: readonly (readonly [what: string, answer: Answer, said: RegExp])[] = [
    ['nothing', {}, /without the output y/],
    ['another output', { outputs: { z: floats(1, 2) } }, /without the output y/],
    ['too few rows', { outputs: { y: floats(1, 2) } }, /the shape \[1, 2\] for the output y, where 2 rows have \[2, 2\]/],
    ['too many rows', { outputs: { y: floats(1, 2, 3, 4, 5, 6) } }, /the shape \[3, 2\] for the output y/],
    ['another type', { outputs: { y: { ...floats(1, 2, 3, 4), dtype: 2 } } }, /DT_DOUBLE instead of DT_FLOAT for the output y/],
    ['more values than its shape', { outputs: { y: { ...floats(1, 2, 3, 4), tensorShape: {} } } }, /4 values for the shape \[\]/],
    ['a shape of a terabyte', { outputs: { y: { dtype: 1, tensorShape: { dim: [{ size: 2 ** 40 }] }, floatVal: [1] } } }, /a shape that cannot be/],
    ['a negative shape', { outputs: { y: { dtype: 1, tensorShape: { dim: [{ size: -2 }] } } } }, /a shape that cannot be/],
    [
      'bytes that do not fit its shape',
      { outputs: { y: { dtype: 1, tensorShape: { dim: [{ size: 2 }, { size: 2 }] }, tensorContent: Buffer.alloc(15) } } },
      /15 bytes for the shape \[2, 2\]/,
    ],
    [
      'another signature',
      { outputs: { y: floats(1, 2, 3, 4) }, modelSpec: { signatureName: 'other' } },
      /the signature other instead of serving_default/,
    ],
    ['another version', { outputs: { y: floats(1, 2, 3, 4) }, modelSpec: { version: { value: 4 } } }, /version 4 instead of 3/],
  ]
  for (const [what, answer, said] of answers)
    it(`that answers with ${what} fails the batch, but not the process`, async () => {
      const model = await openGrpc((_, reply) => reply(null, encodeMessage('PredictResponse', answer)))
      await assert.rejects(model.run([row, row], signal), { code: 'WAGGLE_MODEL_ANSWER', message: said })
    })

  it('that answers with bytes which are not a PredictResponse fails the batch', async () => {
    const model = await openGrpc((_, reply) => reply(null, Buffer.from('Hello, who is there?')))
    await assert.rejects(model.run([row], signal), { code: 'WAGGLE_MODEL_ANSWER', message: /not a PredictResponse/ })
  })

  const small: readonly (readonly [what: string, tensor: Uint8Array])[] = [
    ['one-byte integers', Buffer.concat([Buffer.from([0x52, 0x80, 0x80, 0x80, 0x04]), Buffer.alloc(8 * 1024 * 1024, 1)])],
    ['empty strings', Buffer.alloc(10 * 1024 * 1024, Buffer.of(0x42, 0))],
    ['integers that are not packed', Buffer.alloc(10 * 1024 * 1024, Buffer.of(0x50, 1))],
    ['empty dimensions', withLength(0x12, Buffer.alloc(10 * 1024 * 1024, Buffer.of(0x12, 0)))],
  ]
  for (const [what, tensor] of small)
    it(`that answers with bytes which decode to millions of ${what} fails the batch before they are decoded`, async () => {
      const entry = Buffer.concat([Buffer.of(0x0a, 1, 0x79), withLength(0x12, tensor)])
      const model = await openGrpc((_, reply) => reply(null, withLength(0x0a, entry)))
      await assert.rejects(model.run([row], signal), { code: 'WAGGLE_MODEL_ANSWER', message: /more than 4,194,304 values/ })
    })

  it('that sends an answer larger than the limit fails the batch', async () => {
    const model = await openGrpc((_, reply) => reply(null, Buffer.alloc(65 * 1024 * 1024)))
    await assert.rejects(model.run([row], signal), { code: 'WAGGLE_MODEL_ANSWER', message: /more than 64 MiB/ })
  })

  it('is asked only for the outputs that a prediction can contain', async () => {
    let filter: readonly string[] = []
    const model = await openGrpc((request, reply) => {
      filter = decodeMessage('PredictRequest', request).outputFilter
      reply(null, encodeMessage('PredictResponse', { outputs: { y: floats(1, 2) } }))
    })
    await model.run([row], signal)
    assert.deepEqual(filter, ['y'])
  })

  it('is called again if it is busy, but not if it refuses a call or gives no answer in time', async () => {
    const cases: readonly (readonly [code: status, expected: string, isRepeated: boolean])[] = [
      [status.UNAVAILABLE, 'WAGGLE_MODEL_SERVER_AWAY', true],
      [status.RESOURCE_EXHAUSTED, 'WAGGLE_MODEL_SERVER_AWAY', true],
      [status.INVALID_ARGUMENT, 'WAGGLE_MODEL_FAILED', false],
      [status.INTERNAL, 'WAGGLE_MODEL_FAILED', false],
      [status.NOT_FOUND, 'WAGGLE_MODEL_NOT_FOUND', false],
      [status.DEADLINE_EXCEEDED, 'WAGGLE_DEADLINE', false],
    ]
    for (const [code, expected, isRepeated] of cases) {
      let asked = 0
      const model = await openGrpc((_, reply) => {
        asked++
        reply({ code, details: 'the\nreason', metadata: new Metadata() })
      })
      await assert.rejects(model.run([row], signal), { code: expected })
      assert.equal(asked > 1, isRepeated, `${status[code]}: ${asked} calls`)
    }
  })

  it('that gives no answer is called once, and the call fails at its deadline', async () => {
    let asked = 0
    const model = await openGrpc(() => asked++)
    await assert.rejects(model.run([row], signal, { deadline: Date.now() + 300 }), { code: 'WAGGLE_DEADLINE', message: /gave no answer in time/ })
    assert.equal(asked, 1)
  })
})

describe('A TensorFlow Serving over HTTP that gives no answer', () => {
  afterEach(closeAll)

  it('fails a call at the deadline of the request', async () => {
    let asked = 0
    const server = createServer((request, response) => {
      if (request.method === 'GET') response.end(metadata)
      else asked++
    })
    const model = await openedBefore(server, await listening(server, { close: true }))
    const from = performance.now()
    await assert.rejects(model.run([row], signal, { deadline: Date.now() + 300 }), { code: 'WAGGLE_DEADLINE', message: /gave no answer in time/ })
    assert.ok(performance.now() - from < 5000)
    assert.equal(asked, 1)
    await closeServer(server)
  })
})

describe('A TensorFlow Serving that is unreachable', () => {
  afterEach(closeAll)

  it('is reported with the reason and the next step, over each protocol', async () => {
    const port = await listening(createServer(), { close: true })
    for (const protocol of ['http', 'https', 'grpc', 'grpcs'])
      await assert.rejects(openAt(`${protocol}://127.0.0.1:${port}/v1/models/m`), {
        code: 'WAGGLE_MODEL_SERVER_AWAY',
        message: /takes no connection: .*ECONNREFUSED/,
        next: /See that the server runs/,
      })
    await assert.rejects(openAt('http://no-such-host.invalid/v1/models/m'), { code: 'WAGGLE_MODEL_SERVER_AWAY', message: /takes no connection/ })
  })

  it('gets the first call of an outage again and again, gets later calls less often, and answers after it has returned', async () => {
    const server = createServer((_, response) => response.end(metadata))
    const port = await listening(server, { close: true })
    const model = await openedBefore(server, port)
    await closeServer(server)
    const before = waits
    await assert.rejects(model.run([row], signal), { code: 'WAGGLE_MODEL_SERVER_AWAY' })
    const first = waits - before
    await assert.rejects(model.run([row], signal), { code: 'WAGGLE_MODEL_SERVER_AWAY' })
    assert.ok(first > waits - before - first, `${first} waits, and then ${waits - before - first}`)
    server.removeAllListeners('request').on('request', (_, response) => response.end('{"outputs": [[3, 4]]}'))
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    assert.deepEqual(await model.run([row], signal), [{ outputs: { y: { shape: [2], values: [3, 4] } } }])
  })

  it('is called until it answers, and the log reports this', async () => {
    const server = createServer((_, response) => response.end(metadata))
    const port = await listening(server, { close: true })
    const lines: string[] = []
    const said = Promise.withResolvers<void>()
    const late = models.openLater({
      url: `http://127.0.0.1:${port}/v1/models/m`,
      fit: {},
      tls: {},
      log: (level, line) => {
        lines.push(`${level} ${line}`)
        said.resolve()
      },
    })
    closers.push(() => late.close())
    await assert.rejects(late.get(), { code: 'WAGGLE_MODEL_SERVER_AWAY' })
    await said.promise
    assert.match(lines[0] ?? '', /^error The TensorFlow Serving at .* takes no connection: .*It is asked again/)
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    while (!lines.some((line) => line.startsWith('info'))) await new Promise((resolve) => setImmediate(resolve))
    assert.equal((await late.get()).signature.rows[0]?.name, 'x')
  })

  it('leaves no listener of failed calls behind', async (test) => {
    const port = await listening(createServer(), { close: true })
    const late = new TensorFlowServing({ ...options, patienceMs: 0 }).openLater({ url: `http://127.0.0.1:${port}/v1/models/m`, ...told })
    closers.push(() => late.close())
    await assert.rejects(late.get())
    const listen = test.mock.method(EventTarget.prototype, 'addEventListener')
    for (let call = 0; call < 50; call++) await assert.rejects(late.get())
    assert.ok(listen.mock.callCount() < 50, `${listen.mock.callCount()} listeners`)
  })

  it('is not called any more when the bee closes', async () => {
    const asked = Promise.withResolvers<void>()
    const port = await listening(createServer(() => asked.resolve()))
    const late = new TensorFlowServing({ ...options, patienceMs: 60_000, metadataMs: 60_000 }).openLater({
      url: `http://127.0.0.1:${port}/v1/models/m`,
      ...told,
    })
    const outcome = late.get()
    await asked.promise
    const from = performance.now()
    await Promise.all([late.close(), assert.rejects(outcome)])
    assert.ok(performance.now() - from < 5000)
  })
})

/** A field of a protocol buffer: its tag, its length and its bytes. */
function withLength(tag: number, bytes: Uint8Array): Buffer {
  const length: number[] = []
  for (let left = bytes.length; ; left >>>= 7) {
    length.push(left < 0x80 ? left : (left & 0x7f) | 0x80)
    if (left < 0x80) return Buffer.concat([Buffer.of(tag, ...length), bytes])
  }
}

const shape = { dim: [{ size: '-1' }, { size: '2' }], unknown_rank: false }
const pair = { dtype: 'DT_FLOAT', tensor_shape: shape }
const metadata = JSON.stringify({
  model_spec: { version: '3' },
  metadata: { signature_def: { signature_def: { serving_default: { inputs: { x: pair }, outputs: { y: pair } } } } },
})

async function openAt(url: string): Promise<OpenModel> {
  const model = await models.open({ url, fit: {}, tls: {}, log: () => {} })
  closers.push(() => model.close())
  return model
}

/** The model x → y on a server that answers predict calls by `predict`. */
async function openHttp(predict: RequestListener): Promise<OpenModel> {
  const server = createServer((request, response) => {
    if (request.method === 'GET') return response.end(metadata)
    request.resume().once('end', () => predict(request, response))
    return response
  })
  return openAt(`http://127.0.0.1:${await listening(server)}/v1/models/m`)
}

async function openGrpc(predict: (request: Buffer, reply: sendUnaryData<Buffer>) => void): Promise<OpenModel> {
  const server = new GrpcServer({ 'grpc.max_send_message_length': -1 })
  const tensor = { dtype: 1, tensorShape: { dim: [{ size: -1 }, { size: 2 }] } }
  const large = { dtype: 1, tensorShape: { dim: [{ size: -1 }, { size: 100_000 }] } }
  const signatureDef = { serving_default: { inputs: { x: tensor }, outputs: { y: tensor, huge: large } } }
  const answer = encodeMessage('GetModelMetadataResponse', {
    modelSpec: { version: { value: 3 } },
    metadata: { signature_def: { value: encodeMessage('SignatureDefMap', { signatureDef }) } },
  })
  const method = (name: string) => ({
    path: `/tensorflow.serving.PredictionService/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  })
  server.addService(
    { GetModelMetadata: method('GetModelMetadata'), Predict: method('Predict') },
    {
      GetModelMetadata: (_: unknown, reply: sendUnaryData<Buffer>) => reply(null, answer),
      Predict: ({ request }: { readonly request: Buffer }, reply: sendUnaryData<Buffer>) => predict(request, reply),
    },
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error))),
  )
  closers.push(() => server.forceShutdown())
  return openAt(`grpc://127.0.0.1:${port}/v1/models/m/versions/3`)
}

/** Lets a server listen, and returns its port. With `close` the server is closed again, so that no server listens at the port. */
async function listening(server: Server | PlainServer, { close = false }: { readonly close?: boolean } = {}): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  closers.push(() => closeServer(server))
  if (close) await closeServer(server)
  return port
}

/** Starts a TCP server, and returns its port. */
async function plainServer(answer: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = []
  const port = await listening(
    createPlainServer((socket) => {
      sockets.push(socket.on('error', () => {}))
      answer(socket)
    }),
  )
  closers.push(() => sockets.map((socket) => socket.destroy()))
  return port
}

/** Opens the model after the server was started. */
async function openedBefore(server: Server, port: number): Promise<OpenModel> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return openAt(`http://127.0.0.1:${port}/v1/models/m`)
}

function closeServer(server: Server | PlainServer): Promise<void> {
  if ('closeAllConnections' in server) server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
