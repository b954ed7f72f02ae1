import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { ServerHosts } from '../../../../connectors/models/tensorflow-serving/server-hosts.ts'
import { TensorFlowServing } from '../../../../connectors/models/tensorflow-serving/tensorflow-serving.ts'
import { systemClock } from '../../../../connectors/system/system-clock.ts'
import type { TensorData } from '../../../../topology/swarm/payload/payload.ts'
import type { ServerModelOptions, ServingTls } from '../../../../topology/swarm/ports/model-servers.ts'
import type { ModelRow, OpenModel } from '../../../../topology/swarm/ports/models.ts'
import { Certificates } from '../../../support/serving/certificates.ts'
import { ModelServer, servingPython } from '../../../support/serving/model-server.ts'

const found = servingPython()
const skip = 'python' in found || process.env.CI === 'true' ? false : found.missing
const python = 'python' in found ? found.python : 'python3'
const { signal } = new AbortController()
const models = new TensorFlowServing({ clock: systemClock, hosts: new ServerHosts('localhost, no-such-host.invalid'), patienceMs: 1000 })

describe('A model on a server that speaks TensorFlow Serving’s published messages', { skip }, () => {
  let server: ModelServer
  let packing: ModelServer
  before(async () => {
    server = await ModelServer.start(python, { largest_batch: 4 })
    packing = await ModelServer.start(python, { packed: true })
  })
  after(async () => {
    await server?.stop()
    await packing?.stop()
  })
  const addresses = () => [
    `http://127.0.0.1:${server.http}/v1/models/measures`,
    `grpc://127.0.0.1:${server.grpc}/v1/models/measures`,
    `grpc://127.0.0.1:${packing.grpc}/v1/models/measures`,
  ]

  it('gives the same answers over HTTP, over gRPC with lists, and over gRPC with bytes', async () => {
    for (const url of addresses()) {
      await withModel({ url }, async (model) => {
        assert.equal(model.device, `the TensorFlow Serving at ${url}, version 3`)
        assert.deepEqual(
          model.signature.rows.map(({ name, datatype, shape }) => [name, datatype, shape]),
          [['x', 'FP32', [4]]],
        )
        const results = await model.run([floats(1, 0, 0, 0), floats(0, 0, 0, 1)], signal)
        const scores = results.map(({ outputs }) => outputs.probabilities?.values.map((value) => Number(Number(value).toFixed(4))))
        assert.deepEqual(scores, [softmax(0.5, -1, 0.25), softmax(0.25, 1, -1.5)])
        assert.deepEqual(
          results.map(({ outputs }) => outputs.chosen?.values),
          [['1152921504606846976'], ['1152921504606846977']],
        )
      })
    }
  })

  it('takes and gives values of every type without a loss', async () => {
    for (const url of addresses()) {
      await withModel({ url, signature: 'twice' }, async (model) => {
        const row: ModelRow = {
          kind: 'tensors',
          tensors: model.signature.rows.map(({ datatype }) => ({ shape: [2], data: examples[datatype] ?? [] })),
        }
        const [result] = await model.run([row], signal)
        assert.deepEqual(Object.fromEntries(Object.entries(result?.outputs ?? {}).map(([name, { values }]) => [name, values])), {
          bool: [true, false],
          double: [0.2, -2e300],
          float: [3, -1],
          half: [3, -131_008 / 2],
          int16: [-32_768, 2],
          int32: [-2_147_483_648, 2],
          int64: ['-9223372036854775808', 2],
          int8: [-128, 2],
          uint16: [65_534, 2],
          uint32: [4_294_967_294, 2],
          uint64: ['18446744073709551614', 2],
          uint8: [254, 2],
        })
      })
    }
  })

  it('returns strings, NaN and infinity unchanged', async () => {
    for (const url of addresses()) {
      await withModel({ url, signature: 'names' }, async (model) => {
        const [result] = await model.run([floats(0, 0, 1, 0)], signal)
        assert.deepEqual(result?.outputs.classes?.values, ['high'])
      })
      await withModel({ url, signature: 'log' }, async (model) => {
        const [result] = await model.run([floats(1, 0, -1, 1)], signal)
        assert.deepEqual(result?.outputs.logarithms?.values, [0, -Infinity, Number.NaN, 0])
      })
    }
  })

  it('gets pictures in the size that its input requires', async () => {
    for (const url of addresses()) {
      await withModel({ url, signature: 'picture', fit: { values: { factors: [1 / 255, 1 / 255, 1 / 255], offsets: [0, 0, 0] } } }, async (model) => {
        assert.ok(model.signature.takesPictures)
        const pixels = Uint8Array.from({ length: 48 }, (_, at) => [255, 0, 51][at % 3] ?? 0)
        const [result] = await model.run([{ kind: 'picture', height: 4, width: 4, pixels }], signal)
        assert.deepEqual(
          result?.outputs.mean?.values.map((value) => Number(Number(value).toFixed(5))),
          [1, 0, 0.2],
        )
      })
    }
  })

  it('gets a batch as one call, and as smaller calls after the server has named its limit', async () => {
    for (const [protocol, url] of addresses().slice(0, 2).entries()) {
      await withModel({ url, signature: 'one' }, async (model) => {
        const before = server.calls.length
        const rows = Array.from({ length: 10 }, (_, at) => floats(at / 10, 1, 0, 0))
        const alone = await Promise.all(rows.slice(0, 3).map(async (row) => (await model.run([row], signal))[0]))
        assert.deepEqual(await model.run(rows.slice(0, 3), signal), alone)
        assert.equal((await model.run(rows, signal)).length, 10)
        assert.equal((await model.run(rows.slice(0, 6), signal)).length, 6)
        const sizes = (await server.callsFrom(before, 10)).map(({ rows: [size] }) => size)
        assert.deepEqual(sizes, [1, 1, 1, 3, 10, 4, 4, 2, 4, 2], protocol === 0 ? 'HTTP' : 'gRPC')
      })
    }
  })

  it('gets the deadline of a call over gRPC', async () => {
    await withModel({ url: `grpc://127.0.0.1:${server.grpc}/v1/models/measures` }, async (model) => {
      const before = server.calls.length
      await model.run([floats(1, 0, 0, 0)], signal, { deadline: Date.now() + 20_000 })
      const remaining = (await server.callsFrom(before, 1))[0]?.remaining ?? 0
      assert.ok(remaining > 10 && remaining <= 20, `${remaining} s`)
    })
  })

  it('is found by its version and by its label', async () => {
    for (const url of addresses()) {
      for (const place of ['/versions/3', '/labels/stable', '/versions/3:predict', ':predict'])
        await withModel({ url: `${url}${place}` }, async (model) => assert.match(model.device, /version 3$/))
      await withModel({ url, version: 3 }, async (model) => assert.match(model.device, /version 3$/))
      await assert.rejects(
        withModel({ url, version: 4 }, async () => {}),
        { code: 'WAGGLE_MODEL_NOT_FOUND', message: /Servable not found for request: Specific\(measures, 4\)/ },
      )
      await assert.rejects(
        withModel({ url: url.replace('measures', 'others') }, async () => {}),
        { code: 'WAGGLE_MODEL_NOT_FOUND', message: /Servable not found for request: Latest\(others\)/ },
      )
    }
  })

  it('is refused if its input is strings, or if the signature of the spec does not exist', async () => {
    for (const url of addresses()) {
      await assert.rejects(
        withModel({ url, signature: 'words' }, async () => {}),
        { code: 'WAGGLE_MODEL_INVALID', message: /takes strings \(its input text\)/ },
      )
      await assert.rejects(
        withModel({ url, signature: 'none' }, async () => {}),
        {
          code: 'WAGGLE_MODEL_SHAPE',
          message: /has no signature none/,
          next: /log, names, one, picture, serving_default, twice, words|serving_default/,
        },
      )
    }
  })

  it('is called over TLS with a certificate, which the spec provides as files or as text', async () => {
    using certificates = new Certificates()
    const { ca, client } = certificates
    const secured = await ModelServer.start(python, { ca, ...certificates.server })
    try {
      for (const url of [`https://127.0.0.1:${secured.http}/v1/models/measures`, `grpcs://127.0.0.1:${secured.grpc}/v1/models/measures`]) {
        const text = { ca: readFileSync(ca, 'utf8'), cert: readFileSync(client.cert, 'utf8'), key: readFileSync(client.key, 'utf8') }
        for (const tls of [{ ca, ...client }, text])
          await withModel({ url, tls }, async (model) => assert.equal((await model.run([floats(1, 0, 0, 0)], signal)).length, 1))
        const refused = { code: 'WAGGLE_MODEL_SERVER_AWAY' }
        await assert.rejects(withModel({ url, tls: { ca } }, neverUsed), refused, 'without a certificate of its own')
        await assert.rejects(withModel({ url, tls: { ...client } }, neverUsed), refused, 'without the authority')
        await assert.rejects(withModel({ url: url.replace(/^(http|grpc)s/, '$1'), tls: {} }, neverUsed), { code: /AWAY|ANSWER/ }, 'without TLS')
        await assert.rejects(withModel({ url, tls: { ca: '/nowhere/ca.pem' } }, neverUsed), {
          code: 'WAGGLE_FILE_NOT_FOUND',
          message: /the ca of tls/,
        })
        const unusable: readonly (readonly [tls: ServingTls, said: RegExp])[] = [
          [{ ca: '-----BEGIN nothing' }, /certificates of tls cannot be used/],
          [{ ca, cert: client.cert }, /tls has one of cert and key/],
          [{ ca, cert: client.cert, key: certificates.server.key }, /certificates of tls cannot be used/],
        ]
        for (const [tls, message] of unusable) await assert.rejects(withModel({ url, tls }, neverUsed), { code: 'WAGGLE_MODEL_ADDRESS', message })
        const plain = withModel({ url: url.replace(/^(http|grpc)s/, '$1'), tls: { ca } }, neverUsed)
        await assert.rejects(plain, { code: 'WAGGLE_MODEL_ADDRESS', message: /an address without TLS/ })
      }
    } finally {
      await secured.stop()
    }
  })
})

const neverUsed = () => Promise.resolve()

const examples: { readonly [datatype: string]: TensorData } = {
  BOOL: Uint8Array.of(1, 0),
  FP16: Float32Array.of(1.5, -32_752),
  FP32: Float32Array.of(1.5, -0.5),
  FP64: Float64Array.of(0.1, -1e300),
  INT8: Int8Array.of(-64, 1),
  INT16: Int16Array.of(-16_384, 1),
  INT32: Int32Array.of(-(2 ** 30), 1),
  INT64: BigInt64Array.of(-(2n ** 62n), 1n),
  UINT8: Uint8Array.of(127, 1),
  UINT16: Uint16Array.of(32_767, 1),
  UINT32: Uint32Array.of(2 ** 31 - 1, 1),
  UINT64: BigUint64Array.of(2n ** 63n - 1n, 1n),
}

function softmax(...sums: readonly number[]): readonly number[] {
  const powers = sums.map(Math.exp)
  const all = powers.reduce((sum, power) => sum + power, 0)
  return powers.map((power) => Number((power / all).toFixed(4)))
}

function withModel(options: Partial<ServerModelOptions> & { readonly url: string }, use: (model: OpenModel) => Promise<void>): Promise<void> {
  return models.open({ fit: {}, tls: {}, log: () => {}, ...options }).then(async (model) => {
    try {
      await use(model)
    } finally {
      await model.close()
    }
  })
}

function floats(...values: readonly number[]): ModelRow {
  return { kind: 'tensors', tensors: [{ shape: [values.length], data: Float32Array.from(values) }] }
}
