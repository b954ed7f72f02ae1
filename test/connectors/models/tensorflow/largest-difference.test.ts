import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { largestDifference } from '../../../../connectors/models/tensorflow/largest-difference.ts'

function output(values: readonly number[], shape: readonly number[] = [values.length]) {
  return { out: { datatype: 'FP32' as const, shape, data: Float32Array.from(values) } }
}

describe('The largest difference of two results', () => {
  it('is a fraction of the range of the expected values', () => {
    assert.equal(largestDifference(output([0, 5, 10]), output([0, 4, 10])), 0.1)
    assert.equal(largestDifference(output([100, 100.5]), output([100, 101])), 0.5)
    assert.equal(largestDifference(output([3, 3]), output([2, 2])), 0.5)
    assert.equal(largestDifference(output([0, 0]), output([0, 0])), 0)
  })

  it('is infinite for different shapes, a missing output, and a NaN or infinity on one side only', () => {
    for (const [given, expected] of [
      [output([1, 2]), output([1, 2], [2, 1])],
      [output([1, 2]), output([1, 2, 3])],
      [{}, output([1])],
      [output([1, Number.NaN]), output([1, 2])],
      [output([1, 2]), output([1, Number.NaN])],
      [output([1, 2]), output([1, Number.POSITIVE_INFINITY])],
      [output([1, Number.NEGATIVE_INFINITY]), output([1, Number.POSITIVE_INFINITY])],
    ] as const)
      assert.equal(largestDifference(given, expected), Number.POSITIVE_INFINITY)
    const strange = [1, Number.NaN, Number.POSITIVE_INFINITY]
    assert.equal(largestDifference(output(strange), output(strange)), 0)
  })
})
