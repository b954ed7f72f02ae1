import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { tritonPython } from '../../support/inference/triton-python.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')
const secret = 'triton-0123456789'
const found = tritonPython()
const skip = 'missing' in found && process.env.CI !== 'true' ? found.missing : false

const bees = `  - {name: classify, type: tensor-rt, input: {name: entrance}, spec: {model: ./iris.onnx}}
  - {name: answer, type: respond, input: {name: classify}}`

describe('Triton’s clients, and a client that knows the services only by reflection,', { skip }, () => {
  const said = new Map<string, unknown>()
  let name = ''

  before(async () => {
    if (!('python' in found)) throw new Error(found.missing)
    const env = { WAGGLE_TOKENS: `triton=${secret}:ask:*` }
    await using swarm = await SwarmHere.open(env, { bees, files: { 'iris.onnx': readFileSync(join(root, 'swarms/iris/iris.onnx')) } })
    name = swarm.name
    const script = join(root, 'test/support/inference/client.py')
    const { stdout } = await promisify(execFile)(found.python, [script, new URL(swarm.url).host, swarm.grpc, name, secret], { timeout: 120_000 })
    for (const line of stdout.trim().split('\n')) said.set(...(JSON.parse(line) as [string, unknown]))
  })

  for (const where of ['http', 'grpc']) {
    it(`get unchanged answers over ${where}, with numbers and with JSON`, () => {
      assert.deepEqual(said.get(`${where} ready`), [true, true, true])
      const { label, scores } = said.get(`${where} numbers`) as { readonly label: string; readonly scores: { readonly [label: string]: number } }
      assert.equal(label, 'setosa')
      assert.ok((scores.setosa ?? 0) > 0.9, JSON.stringify(scores))
      assert.deepEqual([said.get(`${where} named`), said.get(`${where} json`)], ['setosa', 'virginica'])
    })

    it(`learn over ${where} which tensors the swarm accepts, from its model`, () => {
      const { inputs, outputs, versions } = said.get(`${where} metadata`) as {
        readonly inputs: readonly { readonly datatype: string; readonly shape: readonly unknown[] }[]
        readonly outputs: readonly object[]
        readonly versions: readonly string[]
      }
      assert.deepEqual(
        inputs.map(({ datatype, shape }) => [datatype, shape.map(Number)]),
        [['FP32', [4]]],
      )
      assert.deepEqual([outputs.length, versions], [1, ['1']])
    })

    it(`get errors over ${where} in the same form as from Triton`, () => {
      const codes = where === 'http' ? ['401', '404', '422'] : ['StatusCode.UNAUTHENTICATED', 'StatusCode.NOT_FOUND', 'StatusCode.INVALID_ARGUMENT']
      const errors = ['no token', 'unknown', 'misfit'].map((step) => String(said.get(`${where} ${step}`)))
      assert.deepEqual(
        errors.map((error, at) => error.startsWith(`${codes[at]} `)),
        [true, true, true],
        errors.join('\n'),
      )
      assert.match(errors[2] ?? '', /FP32 \[4\]/)
    })
  }

  it('may send JSON tensors and compressed bodies', () => {
    assert.deepEqual([said.get('http without binary'), said.get('http gzip')], ['setosa', 'setosa'])
  })

  it('can stream requests, and each failed request has its own error', () => {
    const answers = said.get('grpc stream') as readonly string[]
    assert.deepEqual(answers.slice(0, 3), ['request-0', 'request-1', 'request-2'])
    assert.match(answers[3] ?? '', /WAGGLE_INFERENCE_MODEL/)
  })

  it('can describe all services, and call Waggle’s own service', () => {
    assert.equal(said.get('health'), 'SERVING')
    assert.deepEqual(said.get('services'), [
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
      'inference.GRPCInferenceService',
      'waggle.v1.Gateway',
    ])
    assert.deepEqual(said.get('request'), ['setosa', 'application/json'])
  })

  it('can follow a request, and continue after their last event', () => {
    assert.deepEqual(said.get('events'), ['accepted', 'bee', 'answer'])
    assert.deepEqual(said.get('rest'), ['bee', 'answer'])
    assert.deepEqual(said.get('stream'), ['accepted', 'bee', 'answer'])
    assert.deepEqual([said.get('last'), said.get('get')], ['setosa', 'ANSWERED'])
  })
})
