import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../../bees/registry.ts'

function waggle(...argv: readonly string[]) {
  return spawnSync(process.execPath, ['ops/cli/main.ts', ...argv], { encoding: 'utf8' })
}

describe('waggle bees catalog', () => {
  it('lists every bee type with its summary', () => {
    const { status, stdout } = waggle('bees', 'catalog')
    assert.equal(status, 0)
    for (const { type, summary } of new BeeRegistry().types) assert.ok(stdout.includes(`${type} `) && stdout.includes(summary), type)
  })

  it('prints the summary, keys, defaults, examples and delivery guarantee of a type, also under the type’s alias', () => {
    const { status, stdout } = waggle('bees', 'catalog', 'bytewax/tf_serving')
    assert.equal(status, 0)
    assert.match(stdout, /^tf-serving, bytewax\/tf_serving: A TensorFlow model/)
    assert.match(stdout, /backend \("auto" or "onnx" or "tfjs", default "auto"\)/)
    assert.match(stdout, /example\n {2}- name: my-tf-serving/)
    assert.match(stdout, /delivery\n {2}A row is computed again/)
  })

  it('prints a type as JSON with --json', () => {
    const { status, stdout } = waggle('bees', 'catalog', 'batch', '--json')
    assert.equal(status, 0)
    const { type, fields, examples, delivery, schema } = JSON.parse(stdout)
    assert.equal(type, 'batch')
    assert.deepEqual(fields.at(-1), {
      name: 'release',
      type: '"idle" or "full"',
      required: false,
      default: 'idle',
      description: 'idle: closed as soon as the bee it feeds is idle. full: only when full or timed out.',
    })
    assert.deepEqual(examples, [{ batch_size: 10, timeout_seconds: 0.1 }, { target_latency_ms: 50 }])
    assert.match(delivery, /memory/)
    assert.equal(schema.properties.batch_size.maximum, 10_000)
    const all = JSON.parse(waggle('bees', 'catalog', '--json').stdout)
    assert.equal(all.length, new BeeRegistry().types.length)
  })

  it('refuses an unknown type with the nearest name', () => {
    const { status, stdout, stderr } = waggle('bees', 'catalog', 'modle')
    assert.deepEqual([status, stdout, stderr], [1, '', 'waggle: There is no bee type modle. Did you mean module?\n'])
    const { stderr: json } = waggle('bees', 'catalog', 'nothing-like-it', '--json')
    const { error, mistakes } = JSON.parse(json)
    assert.equal(error, 'WAGGLE_UNKNOWN_BEE_TYPE')
    assert.match(mistakes[0].next, /^Use one of gateway-input, /)
  })
})
