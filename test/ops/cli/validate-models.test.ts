import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { exportsDirectory } from '../../support/exported-models.ts'
import { savedModelsDirectory } from '../../support/saved-models.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
const directory = mkdtempSync(join(tmpdir(), 'waggle-validate-models-'))

/** Runs a command on a swarm with these bees. The entrance is on line 3, and the bees begin on line 4. */
function waggle(
  bees: readonly string[],
  argv: readonly string[] = ['validate'],
): Promise<{ readonly status: number | string | null; readonly said: string }> {
  const file = join(directory, 'swarm.yaml')
  const [command = '', ...options] = argv
  writeFileSync(
    file,
    ['name: one', 'bees:', '  - {name: entrance, type: gateway-input, spec: {name: door}}', ...bees.map((bee) => `  - {${bee}}`), ''].join('\n'),
  )
  return new Promise((settle) => {
    execFile(process.execPath, [main, command, file, ...options], { timeout: 60_000 }, (error, out, err) =>
      settle({ status: error?.code ?? 0, said: `${out}${err}` }),
    )
  })
}

const model = (name: string, file: string, more = '') =>
  `name: ${name}, type: tensor-rt, input: {name: entrance}, spec: {model: ${join(exportsDirectory, file)}${more}}`

describe('The models of a swarm file', () => {
  after(() => rmSync(directory, { recursive: true, force: true }))

  it('are shown by validate and plan with their inputs and outputs', async () => {
    const bees = [model('people', 'sklearn-pipeline-zipmap.onnx'), model('words', 'torch-sentence.onnx', ', labels: [no, yes]')]
    const { status, said } = await waggle(bees)
    assert.equal(status, 0, said)
    assert.match(
      said,
      /people takes age \(INT64 \[1\]\), fare \(FP32 \[1\]\), sex \(strings \[1\]\), alone \(BOOL \[1\]\); gives label and scores of no, yes \(output_probability\)\n/,
    )
    assert.match(
      said,
      /words takes ids \(INT64 \[-1\]\), weight \(FP32 \[1\]\); gives label and scores of no, yes \(probabilities\), total, vectors\n/,
    )
    assert.match((await waggle(bees, ['plan'])).said, /Sub-topology 0[\s\S]*\nModels\n {2}people takes age/)
    for (const argv of [
      ['validate', '--json'],
      ['plan', '--json'],
    ]) {
      const { models } = JSON.parse((await waggle(bees, argv)).said) as { readonly models: { readonly [bee: string]: object } }
      assert.deepEqual(Object.keys(models), ['people', 'words'])
      assert.deepEqual(models.words, {
        inputs: [
          { name: 'ids', datatype: 'INT64', shape: [-1] },
          { name: 'weight', datatype: 'FP32', shape: [1] },
        ],
        outputs: [
          { name: 'probabilities', datatype: 'FP32', shape: [2] },
          { name: 'total', datatype: 'INT64', shape: [] },
          { name: 'vectors', datatype: 'FP32', shape: [-1, 4] },
        ],
        rows_per_run: null,
      })
    }
  })

  it('are shown with the library that runs a TensorFlow model, and the reason', async () => {
    const saved = (name: string, file: string, more = '') =>
      `name: ${name}, type: tf-serving, input: {name: entrance}, spec: {model: ${join(savedModelsDirectory, file)}${more}}`
    const bees = [saved('dense', 'dense', ', version: 2'), saved('own', 'words', ', signature: vectors, backend: tfjs')]
    const { status, said } = await waggle(bees)
    assert.equal(status, 0, said)
    assert.match(
      said,
      /dense takes measures \(FP32 \[4\]\); gives .*; runs on onnxruntime cpu \(translated to ONNX, within \S+ of the output's range of tfjs wasm\)\n/,
    )
    assert.match(said, /own takes ids \(INT32 \[3\]\); gives .*; runs on tfjs wasm \(backend is tfjs\)\n/)
    const { models } = JSON.parse((await waggle(bees, ['plan', '--json'])).said) as { readonly models: { readonly [bee: string]: object } }
    assert.deepEqual(models.own, {
      inputs: [{ name: 'ids', datatype: 'INT32', shape: [3] }],
      outputs: [{ name: 'vectors', datatype: 'FP32', shape: [4] }],
      rows_per_run: null,
      runs_on: 'tfjs wasm',
      why: 'backend is tfjs',
    })
  })

  it('are refused at their place in the file if a SavedModel lacks the named signature', async () => {
    const bee = `name: words, type: tf-serving, input: {name: entrance}, spec: {model: ${join(savedModelsDirectory, 'words')}, signature: other}`
    const { status, said } = await waggle([bee])
    assert.equal(status, 1)
    assert.match(said, /swarm\.yaml:4:\d+: .* has no signature other: it has serving_default, vectors; Set signature to one of/)
  })

  it('may be a folder for an ONNX bee only if the folder has numbered versions', async () => {
    const { status, said } = await waggle([model('people', '../exports')])
    assert.equal(status, 1)
    assert.match(said, /swarm\.yaml:4:\d+: A file is needed, and this is a directory/)
    const saved = await waggle([model('saved', '../saved-models/plain')])
    assert.match(saved.said, /swarm\.yaml:4:\d+: .*A bee of type tf-serving runs a SavedModel folder\.\n/)
  })

  it('may be missing for plan, but not for validate', async () => {
    assert.equal((await waggle([model('people', 'nowhere.onnx')], ['plan'])).status, 0)
    assert.equal((await waggle([model('people', 'nowhere.onnx')])).status, 1)
  })

  it('are refused at the edge to an ensemble that cannot average them, but cause only a warning if some labels differ', async () => {
    const join = 'name: both, type: weighted-average-ensemble, input: {join: [names, other]}, spec: {}'
    const { status, said } = await waggle([model('names', 'sklearn-names-zipmap.onnx'), model('other', 'sklearn-numbers-zipmap.onnx'), join])
    assert.equal(status, 1)
    assert.match(said, /swarm\.yaml:6:73: names scores setosa, versicolor, virginica, and other scores 10, 11, 12: they have no label in common/)
    const renamed = model('other', 'sklearn-numbers-zipmap.onnx', ', labels: [setosa, versicolor, virginica]')
    assert.equal((await waggle([model('names', 'sklearn-names-zipmap.onnx'), renamed, join])).status, 0)
    const partly = model('other', 'sklearn-numbers-zipmap.onnx', ', labels: [setosa, versicolor, crocus]')
    const some = await waggle([model('names', 'sklearn-names-zipmap.onnx'), partly, join])
    assert.equal(some.status, 0)
    assert.match(
      some.said,
      /swarm\.yaml:6:73: warning: names scores setosa, versicolor, virginica, and other scores setosa, versicolor, crocus: a label/,
    )
    const silent = await waggle([model('names', 'sklearn-names-zipmap.onnx'), model('other', 'torch-sentence.onnx', ', output: vectors'), join])
    assert.match(silent.said, /swarm\.yaml:6:73: other gives no scores, and an ensemble averages scores/)
  })

  it('are refused if the spec names an output or labels that the model does not have', async () => {
    const { said } = await waggle([model('people', 'torch-sentence.onnx', ', output: scores')])
    assert.match(said, /swarm\.yaml:4:\d+: .* has no output scores; .*probabilities, total, vectors/)
    const labels = await waggle([model('people', 'sklearn-names-zipmap.onnx', ', labels: [a, b]')])
    assert.match(labels.said, /swarm\.yaml:4:\d+: .* gives 3 scores in output_probability, and spec\.labels names 2/)
  })
})
