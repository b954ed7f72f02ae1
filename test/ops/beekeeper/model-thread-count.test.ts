import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../../bees/registry.ts'
import { modelThreadCount } from '../../../ops/beekeeper/model-thread-count.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'

const registry = new BeeRegistry()

function beesWith(models: readonly string[]) {
  const yaml = `name: s
bees:
  - { name: g, type: gateway-input, spec: { name: g } }
  - { name: work, type: module, input: { name: g }, spec: { file: ./a.ts } }
${models.map((model, at) => `  - { name: m${at}, input: { name: work }, ${model} }\n`).join('')}`
  return checkSwarm(SwarmDocument.parse(yaml, 's.yaml'), registry).bees
}

describe('The threads of a model', () => {
  const onnx = 'type: tensor-rt, spec: { model: ./m.onnx }'
  const tensorflow = 'type: tf-serving, spec: { model: ./m.pb }'

  it('are as many as the cores for a single model, and an equal share, but at least one thread, for each of several models', () => {
    assert.deepEqual(
      [[], [onnx], [onnx, tensorflow], [onnx, onnx, tensorflow]].map((models) =>
        modelThreadCount([{ swarm: { bees: beesWith(models) }, registry }], 8),
      ),
      [8, 8, 4, 2],
    )
    assert.equal(modelThreadCount([{ swarm: { bees: beesWith([onnx, onnx, onnx]) }, registry }], 2), 1)
  })

  it('are shared among the versions of a model that answer at the same time', () => {
    const canary = 'type: tensor-rt, spec: { model: ./m, versions: { names: { stable: 1, canary: 2 } }, traffic: { stable: 95, canary: 5 } }'
    assert.equal(modelThreadCount([{ swarm: { bees: beesWith([canary]) }, registry }], 8), 4)
    assert.equal(
      modelThreadCount([{ swarm: { bees: beesWith(['type: tensor-rt, spec: { model: ./m, versions: { latest: 3 } }']) }, registry }], 8),
      8,
    )
  })

  it('are not shared with a model that runs on another server', () => {
    const elsewhere = 'type: tf-serving, spec: { url: "http://127.0.0.1:8501/v1/models/m" }'
    assert.equal(modelThreadCount([{ swarm: { bees: beesWith([onnx, elsewhere]) }, registry }], 8), 8)
  })
})
