import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { smallModel } from '../../../ops/bench/small-model.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
const directory = mkdtempSync(join(tmpdir(), 'waggle-validate-types-'))

/** Validates a swarm with these bees. The entrance is on line 3, and the bees begin on line 4. */
function validated(bees: readonly string[], modules: { readonly [file: string]: string }): { readonly status: number | null; readonly said: string } {
  for (const [file, text] of Object.entries(modules)) writeFileSync(join(directory, file), text)
  const lines = ['name: typed', 'bees:', '  - {name: entrance, type: gateway-input, spec: {name: door}}', ...bees.map((bee) => `  - {${bee}}`), '']
  writeFileSync(join(directory, 'swarm.yaml'), lines.join('\n'))
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'validate', 'swarm.yaml'], { cwd: directory, encoding: 'utf8' })
  return { status, said: `${stdout}${stderr}` }
}

const module = (name: string, file: string, from = 'entrance') => `name: ${name}, type: module, input: {name: ${from}}, spec: {file: ./${file}}`

const object = (members: object) => JSON.stringify({ type: 'object', properties: members, required: Object.keys(members) })
const number = { type: 'number' }

describe('The types between bees', () => {
  after(() => rmSync(directory, { recursive: true }))

  it('are read from modules, and validate names the edge whose types do not fit, even through a batch and a filter', () => {
    const modules = {
      'order.ts': `export const output = ${object({ id: number, total: number })}\nexport default (input) => input`,
      'ship.ts': `export default { input: ${object({ id: number, city: { type: 'string' } })}, process: (input) => input }`,
    }
    const { status, said } = validated(
      [
        module('order', 'order.ts'),
        module('ship', 'ship.ts', 'order'),
        'name: large, type: filter, input: {name: order}, spec: {condition: "total > `100`"}',
        module('ship-large', 'ship.ts', 'large'),
        'name: batching, type: batch, input: {name: order}, spec: {batch_size: 2, timeout_seconds: 1}',
        module('ship-many', 'ship.ts', 'batching'),
      ],
      modules,
    )
    assert.equal(status, 1, said)
    const lines = said.trim().split('\n')
    assert.deepEqual(
      lines.map((line) => line.replace(/; Put a bee.*/, '')),
      [
        'swarm.yaml:5:46: order gives no city (it gives id, total), which is taken by ship',
        'swarm.yaml:7:52: order gives no city (it gives id, total), which is taken by ship-large',
        'swarm.yaml:9:51: order gives no city (it gives id, total), which is taken by ship-many',
      ],
    )
  })

  it('are compared after a join, member by member', () => {
    const modules = {
      'left.ts': `export const output = ${object({ n: number })}\nexport default (input) => input`,
      'right.ts': `export const output = { type: 'string' }\nexport default (input) => input`,
      'both.ts': `export const input = ${object({ left: JSON.parse(object({ n: number })), right: JSON.parse(object({ n: number })) })}\nexport default (input) => input`,
    }
    const { status, said } = validated(
      [module('left', 'left.ts'), module('right', 'right.ts'), 'name: both, type: module, input: {join: [left, right]}, spec: {file: ./both.ts}'],
      modules,
    )
    assert.equal(status, 1)
    assert.match(said, /^swarm\.yaml:6:53: right gives JSON of type string, where object is taken by both; /)
  })

  it('include the sizes of tensors, which a model may refuse', () => {
    writeFileSync(join(directory, 'four.onnx'), smallModel({ features: 4, labels: 2 }))
    const modules = {
      'three.ts': "export const output = { tensors: { input: { dtype: 'FP32', shape: [3] } } }\nexport default (input) => input",
      'four.ts': "export const output = { tensors: { input: { dtype: 'FP32', shape: [-1, 4] } } }\nexport default (input) => input",
    }
    const model = (name: string, from: string) =>
      `name: ${name}, type: tensor-rt, input: {name: ${from}}, spec: {model: ./four.onnx, labels: [no, yes]}`
    const { status, said } = validated([module('three', 'three.ts'), model('a', 'three'), module('four', 'four.ts'), model('b', 'four')], modules)
    assert.equal(status, 1, said)
    assert.match(said, /^swarm\.yaml:5:46: three gives input as FP32 \[3\], where .*FP32 \[4\].* is taken by a; [^\n]*\n$/)
  })

  it('include the labels, which must fit the other inputs of an ensemble', () => {
    writeFileSync(join(directory, 'two.onnx'), smallModel({ features: 4, labels: 2 }))
    writeFileSync(join(directory, 'three.onnx'), smallModel({ features: 4, labels: 3 }))
    const model = (name: string, file: string, labels: string) =>
      `name: ${name}, type: tensor-rt, input: {name: entrance}, spec: {model: ./${file}${labels}}`
    const scores = (members: object) =>
      `export const output = ${object({ scores: { type: 'object', properties: members } })}\nexport default (input) => input`
    const { status, said } = validated(
      [
        model('inference-tensorflow', 'two.onnx', ', labels: [bear, teddy]'),
        model('inference-pytorch', 'two.onnx', ', labels: [bear, teddy]'),
        model('inference-svm', 'three.onnx', ''),
        module('rules', 'rules.ts'),
        module('prose', 'prose.ts'),
        'name: average, type: weighted-average-ensemble, input: {join: [inference-tensorflow, inference-pytorch, inference-svm, rules, prose]}',
      ],
      { 'rules.ts': scores({ bear: number, teddy: number }), 'prose.ts': "export const output = { type: 'string' }\nexport default String" },
    )
    assert.equal(status, 1, said)
    assert.match(said, /swarm\.yaml:9:\d+: inference-svm gives \[N,3\], average has labels for 2: inference-tensorflow scores bear, teddy, and /)
    assert.match(said, /swarm\.yaml:9:\d+: prose gives no scores, and an ensemble averages scores/)
    assert.doesNotMatch(said, /rules/)
  })

  it('include the labels, which must fit the other inputs of a vote', () => {
    const votes = (members: object) => `export const output = ${object(members)}\nexport default (input) => input`
    const label = (...words: readonly string[]) => ({ label: { type: 'string', enum: words } })
    const { status, said } = validated(
      [
        ...['one', 'two', 'some', 'other', 'silent'].map((name) => module(name, `${name}.ts`)),
        'name: vote, type: majority-vote, input: {join: [one, two, some, other, silent]}',
      ],
      {
        'one.ts': votes(label('bear', 'teddy')),
        'two.ts': votes({ label: { type: 'string' } }),
        'some.ts': votes(label('bear')),
        'other.ts': votes(label('fox')),
        'silent.ts': votes({ scores: { type: 'object', properties: { bear: number } } }),
      },
    )
    assert.equal(status, 1, said)
    assert.match(said, /swarm\.yaml:9:\d+: one votes for bear, teddy, and other votes for fox: they have no label in common/)
    assert.match(said, /swarm\.yaml:9:\d+: silent gives no label, and a vote counts labels; Let it give an object with a text label/)
    assert.doesNotMatch(said, /two/)
  })

  for (const [what, text, reason] of [
    ['a text', "export const input = 'number'", /The type input of .*wrong\.ts is not a JSON Schema or \{ tensors \}/],
    ['a tensor without a dtype', 'export const output = { tensors: { x: { shape: [1] } } }', /has a tensor x without a dtype/],
    ['a tensor with half a size', "export const output = { tensors: { x: { dtype: 'FP32', shape: [0.5] } } }", /whose shape is not a list of sizes/],
  ] as const) {
    it(`are refused if a module exports ${what}, with the place of the file`, () => {
      const { status, said } = validated([module('wrong', 'wrong.ts')], { 'wrong.ts': `${text}\nexport default (input) => input` })
      assert.equal(status, 1, said)
      assert.match(said, reason)
      assert.match(said, /^swarm\.yaml:4:\d+: /)
    })
  }
})
