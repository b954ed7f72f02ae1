import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { encodeTensors } from '../../topology/swarm/payload/tensor-codec.ts'
import { assertClose, type ExportedModel, exportedModels, exportsDirectory } from '../support/exported-models.ts'

const served = (
  [
    'sklearn-pipeline-zipmap.onnx',
    'sklearn-regressor-fp64.onnx',
    'torch-sentence.onnx',
    'torch-types.onnx',
    'keras-export.onnx',
    'keras-two-inputs.pb',
  ] as const
).map((name) => exportedModels.find(({ model }) => model === name))

/** A swarm with one model after a batch. Its gateway has the name of the model's file. */
function swarmOf({ model, type, spec }: ExportedModel): string {
  const name = model.replace('.', '-')
  return `name: ${name}
bees:
  - {name: entrance, type: gateway-input, spec: {name: ${name}}}
  - {name: batching, type: batch, input: {name: entrance}, spec: {batch_size: 8, timeout_seconds: 0.05}}
  - {name: model, type: ${type}, input: {name: batching}, spec: ${JSON.stringify({ model: join(exportsDirectory, model), ...spec })}}
  - {name: answer, type: respond, input: {name: model}}
`
}

/** Two scikit-learn classifiers, whose predictions are averaged and saved. */
const ensemble = `name: iris
bees:
  - {name: entrance, type: gateway-input, spec: {name: iris}}
  - {name: maps, type: tensor-rt, input: {name: entrance}, spec: {model: ${join(exportsDirectory, 'sklearn-names-zipmap.onnx')}}}
  - {name: columns, type: tensor-rt, input: {name: entrance}, spec: {model: ${join(exportsDirectory, 'sklearn-names-columns.onnx')}}}
  - {name: average, type: weighted-average-ensemble, input: {join: [maps, columns]}, spec: {}}
  - {name: answer, type: respond, input: {name: average}}
  - {name: save, type: save-to-database, input: {stack: [maps, columns]}, spec: {table: irises}}
`

describe('Exported models in a swarm with a gateway', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-exported-'))
  let program: MeasuredProgram

  before(async () => {
    const files = [...served.flatMap((model) => (model === undefined ? [] : [swarmOf(model)])), ensemble].map((yaml, at) => {
      const file = join(directory, `swarm-${at}.yaml`)
      writeFileSync(file, yaml)
      return file
    })
    program = await MeasuredProgram.start([resolve(import.meta.dirname, '..', '..', 'ops', 'cli', 'main.ts'), 'run', ...files, '--json'], {
      WAGGLE_DATA_DIR: join(directory, 'data'),
      WAGGLE_HTTP_PORT: '0',
      WAGGLE_CLICKHOUSE_PORT: '0',
      WAGGLE_PARTITIONS: '1',
    })
  })
  after(async () => {
    await program?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  async function ask(
    gateway: string,
    body: string | Uint8Array<ArrayBuffer>,
    contentType = 'application/json',
  ): Promise<{ readonly status: number; readonly json: { readonly [key: string]: unknown } }> {
    const response = await fetch(`${program.ready.gateway}/v1/gateways/${gateway}/request`, {
      method: 'POST',
      body,
      headers: { 'content-type': contentType },
    })
    return { status: response.status, json: (await response.json()) as { readonly [key: string]: unknown } }
  }

  it('give the same answers as Python, for many requests at a time', async () => {
    for (const model of served) {
      assert.ok(model !== undefined)
      const sent = Array.from({ length: 12 }, (_, at) => model.requests[at % model.requests.length])
      const answers = await Promise.all(sent.map((request) => ask(model.model.replace('.', '-'), JSON.stringify(request?.body))))
      answers.forEach(({ status, json }, at) => {
        assert.equal(status, 200, JSON.stringify(json))
        assertClose(json, { ...sent[at]?.answer, model: 'model' }, model.model)
      })
    }
  })

  it('accept tensors by name if a model has two inputs', async () => {
    const { requests = [] } = exportedModels.find(({ model }) => model === 'torch-sentence.onnx') ?? {}
    const tensors = {
      weight: { datatype: 'FP32' as const, shape: [1, 1], data: Float32Array.of(0.5) },
      ids: { datatype: 'INT64' as const, shape: [5], data: BigInt64Array.of(3n, 1n, 4n, 1n, 5n) },
    }
    const { status, json } = await ask('torch-sentence-onnx', new Uint8Array(encodeTensors(tensors)), 'application/vnd.waggle.tensors')
    assert.equal(status, 200, JSON.stringify(json))
    assertClose(json, { ...requests[0]?.answer, model: 'model' }, 'tensors')
    const wrong = await ask('torch-sentence-onnx', new Uint8Array(encodeTensors({ ids: tensors.ids })), 'application/vnd.waggle.tensors')
    assert.equal(wrong.status, 422)
    assert.match(String(wrong.json.detail), /weight \(FP32 \[1\]\) is missing: ids came/)
  })

  it('refuse a body that does not fit with 400 or 422, and the detail names the input', async () => {
    const people = { age: 1, fare: 2, sex: 'male', alone: true }
    const cases: readonly (readonly [string, string, number, RegExp])[] = [
      ['sklearn-pipeline-zipmap-onnx', JSON.stringify({ ...people, age: 1.5 }), 422, /age takes integers \(INT64\) of shape \[1\]; 1\.5/],
      ['sklearn-pipeline-zipmap-onnx', JSON.stringify({ ...people, age: '1' }), 422, /age takes .* the string "1"/],
      ['sklearn-pipeline-zipmap-onnx', JSON.stringify({ ...people, sex: 1 }), 422, /sex takes strings .* the number 1/],
      ['sklearn-pipeline-zipmap-onnx', JSON.stringify({ ...people, more: 1 }), 422, /no input "more"/],
      ['sklearn-pipeline-zipmap-onnx', JSON.stringify({ age: 1 }), 422, /fare \(FP32 \[1\]\) is missing/],
      ['sklearn-pipeline-zipmap-onnx', '{"age": 9007199254740993}', 400, /beyond/],
      ['sklearn-regressor-fp64-onnx', '[1, 2, 3]', 422, /X takes numbers \(FP64\) of shape \[10\]; a list of shape \[3\]/],
      ['sklearn-regressor-fp64-onnx', '[[1,2,3,4,5,6,7,8,9,10]]', 422, /shape \[10\]; a list of shape \[1, 10\]/],
      ['sklearn-regressor-fp64-onnx', '[1,2,3,4,5,6,7,8,9,[10]]', 422, /a list of 1 at \[9\]/],
      ['sklearn-regressor-fp64-onnx', '"text"', 422, /the string "text"/],
      ['sklearn-regressor-fp64-onnx', '[1, 2', 400, /JSON/],
      ['torch-sentence-onnx', '{"ids": [], "weight": 1}', 422, /ids .* an empty list/],
      ['torch-sentence-onnx', '{"ids": [1, [2]], "weight": 1}', 422, /ids .* a list of 1 at \[1\]/],
      ['keras-two-inputs-pb', '{"ids": [1, 2, 3000000000], "weight": 1}', 422, /ids .* 3000000000, which INT32 cannot hold, at \[2\]/],
      ['iris', '[[1, 2, 3, 4], [5]]', 422, /X takes numbers/],
    ]
    for (const [gateway, body, status, said] of cases) {
      const answer = await ask(gateway, body)
      assert.equal(answer.status, status, `${body}: ${JSON.stringify(answer.json)}`)
      assert.match(String(answer.json.detail), said)
    }
    assert.equal((await ask('sklearn-regressor-fp64-onnx', 'abc', 'application/octet-stream')).status, 422)
    assert.equal((await ask('sklearn-regressor-fp64-onnx', 'abc', 'application/vnd.waggle.tensors')).status, 400)
  })

  it('are averaged by an ensemble of two classifiers, and saved with label, score and scores', async () => {
    const python = exportedModels.find(({ model }) => model === 'sklearn-names-zipmap.onnx')?.requests ?? []
    for (const { body, answer } of python) {
      const { json } = await ask('iris', JSON.stringify(body))
      const { label, scores } = answer as { readonly label: string; readonly scores: object }
      assert.equal(json.label, label)
      assertClose(json.scores, scores, 'the average')
    }
    const query = encodeURIComponent(
      'SELECT bee, label, count() AS rows, min(abs(score - scores[label])) AS off FROM irises GROUP BY ALL ORDER BY ALL FORMAT TSV',
    )
    const labels = python.map(({ answer }) => (answer as { readonly label: string }).label)
    const counted = ['columns', 'maps'].flatMap((bee) =>
      [...new Set(labels)].toSorted().map((label) => `${bee}\t${label}\t${labels.filter((one) => one === label).length}\t0`),
    )
    const wanted = counted.join('\n')
    let text = ''
    for (const end = performance.now() + 20_000; text !== wanted && performance.now() < end; await pause(50)) {
      const response = await fetch(`${program.ready.clickhouse}/?query=${query}`)
      text = response.ok ? (await response.text()).trim() : ''
    }
    assert.equal(text, wanted)
  })
})
