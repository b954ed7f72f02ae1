import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { SwarmTestDriver } from 'waggle-streams/testing'
import { importedSwarm } from '../../../ops/import/imported-swarm.ts'

interface InferenceTensor {
  readonly name: string
  readonly datatype: string
  readonly shape: readonly number[]
  readonly data: readonly unknown[]
}

const directory = mkdtempSync(join(tmpdir(), 'waggle-imported-'))
after(() => rmSync(directory, { recursive: true }))

describe('An imported graph answers as the other system does', () => {
  /** The requests that the servers got, as `PATH BODY`. */
  const seen: string[] = []
  let host = ''
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request as AsyncIterable<Buffer>) body += chunk.toString()
    seen.push(`${request.url} ${body}`)
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answerTo(request.url ?? '', JSON.parse(body))))
  })
  before(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    host = `127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  /** A swarm of this graph, whose servers are the server of this test. */
  function swarmOf(path: string, text: string): SwarmTestDriver {
    const file = join(directory, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    const swarm = join(dirname(file), 'swarm.yaml')
    const imported = importedSwarm(file, dirname(file)).text()
    writeFileSync(swarm, imported.replaceAll(/http:\/\/(localhost:[89]000|[a-z-]+\.default\.svc\.cluster\.local)/g, `http://${host}`))
    seen.length = 0
    return new SwarmTestDriver(swarm)
  }

  it('for an ensemble of Triton, whose models get their tensors with name, type and shape', async () => {
    await using driver = swarmOf(
      'triton/config.pbtxt',
      `name: "add_up" max_batch_size: 8
input [ { name: "RAW" data_type: TYPE_INT32 dims: [ -1, 2 ] }, { name: "FACTOR" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "SUM" data_type: TYPE_FP32 dims: [ 1 ] } ]
ensemble_scheduling { step [
  { model_name: "scale" input_map { key: "IN" value: "RAW" } input_map { key: "BY" value: "FACTOR" } output_map { key: "OUT" value: "scaled" } },
  { model_name: "sum" input_map { key: "X" value: "scaled" } output_map { key: "Y" value: "SUM" } }
] }`,
    )
    const { status, body } = await driver.request(JSON.parse('{"RAW": [[1, 2], [3, 4], [5, 6]], "FACTOR": [10]}'))
    assert.deepEqual([status, body], [200, { SUM: [210] }])
    assert.deepEqual(seen, [
      '/v2/models/scale/infer {"inputs":[{"name":"IN","datatype":"INT32","shape":[1,3,2],"data":[[[1,2],[3,4],[5,6]]]},{"name":"BY","datatype":"FP32","shape":[1,1],"data":[[10]]}]}',
      '/v2/models/sum/infer {"inputs":[{"name":"X","datatype":"FP32","shape":[1,3,2],"data":[10,20,30,40,50,60]}]}',
    ])
  })

  it('for a Pipeline of Seldon, which takes and gives the body of an inference request', async () => {
    await using driver = swarmOf(
      'seldon/pipeline.yaml',
      `kind: Pipeline
metadata: {name: joined}
spec:
  steps:
    - {name: sum, inputs: [joined.inputs.RAW], tensorMap: {joined.inputs.RAW: X}}
    - {name: scale, inputs: [sum.outputs.Y, joined.inputs.BY], tensorMap: {sum.outputs.Y: IN}}
  output: {steps: [scale]}
`,
    )
    const tensor = (name: string, data: readonly number[]): InferenceTensor => ({ name, datatype: 'FP32', shape: [1, data.length], data })
    const { status, body } = await driver.request({ inputs: [tensor('RAW', [1, 2, 3]), tensor('BY', [10])] })
    assert.equal(status, 200, JSON.stringify(body))
    assert.deepEqual((body as { readonly outputs: unknown }).outputs, [{ name: 'OUT', datatype: 'FP32', shape: [1, 1], data: [60] }])
    assert.deepEqual(seen.length, 2)
  })

  it('for an InferenceGraph of KServe, whose conditions look at the response before them', async () => {
    await using driver = swarmOf(
      'kserve/graph.yaml',
      `apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: dog-breeds}
spec:
  nodes:
    root:
      routerType: Sequence
      steps:
        - {serviceName: cat-dog, name: cat_dog}
        - {serviceName: breed, data: $request, condition: '[@this].#(predictions.0=="dog")'}
        - {serviceName: name, data: $response, condition: '[@this].#(certainty>0.5)'}
`,
    )
    const said = async (photo: string) => (await driver.request({ photo })).body
    assert.deepEqual(await said('cat'), { predictions: ['cat'] })
    assert.deepEqual(await said('dog'), { predictions: ['poodle'], certainty: 0.4 })
    assert.deepEqual(await said('dog, large'), { name: 'Rex', of: 'poodle' })
    assert.deepEqual(
      seen.map((line) => line.replace(/\/v1\/models\/(.*):predict/, '$1')),
      [
        'cat-dog {"photo":"cat"}',
        'cat-dog {"photo":"dog"}',
        'breed {"photo":"dog"}',
        'cat-dog {"photo":"dog, large"}',
        'breed {"photo":"dog, large"}',
        'name {"predictions":["poodle"],"certainty":0.9}',
      ],
    )
  })
})

interface Asked {
  readonly inputs?: readonly InferenceTensor[]
  readonly photo?: string
  readonly predictions?: readonly string[]
}

/** The answers of model servers that scale and add up tensors, and services that look at photos. */
function answerTo(url: string, body: Asked): unknown {
  const {
    inputs = [],
    photo = '',
    predictions = [],
  } = body as {
    readonly inputs?: readonly InferenceTensor[]
    readonly photo?: string
    readonly predictions?: readonly string[]
  }
  const numbers = (name: string) => (inputs.find((one) => one.name === name)?.data.flat(9) ?? []) as readonly number[]
  switch (/[\w-]+(?=\/infer$|:predict$)/.exec(url)?.[0]) {
    case 'scale': {
      const [by = 0] = numbers('BY')
      const { shape = [] } = inputs.find(({ name }) => name === 'IN') ?? {}
      return { model_name: 'scale', outputs: [{ name: 'OUT', datatype: 'FP32', shape, data: numbers('IN').map((value) => value * by) }] }
    }
    case 'sum': {
      const sum = numbers('X').reduce((total, value) => total + value, 0)
      return { model_name: 'sum', outputs: [{ name: 'Y', datatype: 'FP32', shape: [1, 1], data: [sum] }] }
    }
    case 'cat-dog':
      return { predictions: [photo.startsWith('dog') ? 'dog' : 'cat'] }
    case 'breed':
      return { predictions: ['poodle'], certainty: photo.includes('large') ? 0.9 : 0.4 }
    case 'name':
      return { name: 'Rex', of: predictions[0] }
    default:
      throw new Error(`nothing serves ${url}`)
  }
}
