import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Type } from 'typebox'
import { BeeRegistry } from '../../../../bees/registry.ts'
import { checkSwarm } from '../../../../topology/swarm/check/check-swarm.ts'
import { misfit } from '../../../../topology/swarm/check/payload-fit.ts'
import { SwarmDocument } from '../../../../topology/swarm/swarm-document.ts'

describe('One bee’s output as another bee’s input', () => {
  const image = (shape: readonly number[], dtype = 'UINT8') => ({ tensors: { image: { dtype, shape } } })

  it('fits if names, types and shapes are equal, and the size -1 fits any size', () => {
    assert.equal(misfit(image([-1, 224, 224, 3]), image([10, -1, 224, 3])), null)
    assert.equal(misfit(image([3]), { tensors: {} }), null)
    assert.equal(misfit(Type.Object({}), Type.Object({})), null)
    assert.equal(misfit(Type.Array(Type.Number()), { tensors: {} }), null)
  })

  it('does not fit if a name, a type or a shape differs, and the reason names the difference and its place', () => {
    assert.match(
      misfit(image([-1, 200, 200, 3]), image([-1, 224, 224, 3])) ?? '',
      /image of shape \[-1, 200, 200, 3\], where \[-1, 224, 224, 3\] is taken/,
    )
    assert.match(misfit(image([1, 2]), image([1, 2, 3])) ?? '', /shape/)
    assert.match(misfit(image([1], 'FP32'), image([1])) ?? '', /as FP32, where UINT8/)
    assert.match(misfit(image([1]), { tensors: { sound: { dtype: 'FP32', shape: [1] } } }) ?? '', /no tensor sound \(it gives image\)/)
    assert.match(misfit(Type.Object({}), { tensors: {} }) ?? '', /JSON object, where tensors/)
    assert.match(misfit(Type.String(), Type.Object({})) ?? '', /type string, where object/)
  })

  it('is refused with file, line and column if it does not fit, even through a batch', () => {
    const yaml = `name: chain
bees:
  - { name: input, type: gateway-input, spec: { name: door } }
  - { name: first, type: tensor-rt, input: { name: input }, spec: { model: a.onnx } }
  - { name: batching, type: batch, input: { name: first }, spec: { batch_size: 2, timeout_seconds: 1 } }
  - { name: second, type: tf-serving, input: { name: batching }, spec: { model: b.pb } }
`
    assert.throws(
      () => checkSwarm(SwarmDocument.parse(yaml, 'swarm.yaml'), new BeeRegistry()),
      /swarm\.yaml:6:54: first gives a JSON object, where tensors are taken by second/,
    )
  })
})
