import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rowLayoutOf } from '../../../connectors/models/row-layout.ts'
import type { TensorSignature } from '../../../topology/swarm/ports/models.ts'

/** The rows of a model with these shapes: `[shapes of inputs, shapes of outputs, rows a run]`. */
function rows(inputs: readonly (readonly number[])[], outputs: readonly (readonly number[])[]): readonly unknown[] {
  const tensor = (shape: readonly number[], at: number): TensorSignature => ({
    name: `t${at}`,
    datatype: 'FP32',
    shape,
    dimensions: shape.map(() => ''),
  })
  const layout = rowLayoutOf(inputs.map(tensor), outputs.map(tensor))
  return [layout.inputs.map(({ shape }) => shape), layout.outputs.map(({ shape }) => shape), layout.rowsPerRun]
}

describe('The rows of a model', () => {
  it('are batched if the first dimension of all inputs and outputs is free, or has the same size', () => {
    assert.deepEqual(rows([[-1, 4], [-1]], [[-1, 3], [-1]]), [[[4], []], [[3], []], null])
    assert.deepEqual(rows([[8, 4]], [[8, 3], [8]]), [[[4]], [[3], []], 8])
    assert.deepEqual(rows([[1, 3, 224, 224]], [[1, 1000]]), [[[3, 224, 224]], [[1000]], 1])
  })

  it('run one at a time if an input or an output has no batch dimension', () => {
    assert.deepEqual(rows([[-1, 4], []], [[-1, 3]]), [[[4], []], [[3]], 1])
    assert.deepEqual(rows([[-1, 4]], [[]]), [[[4]], [[]], 1])
    assert.deepEqual(
      rows(
        [
          [-1, 4],
          [10, 2],
        ],
        [[-1, 3]],
      ),
      [[[4], [10, 2]], [[3]], 1],
    )
    assert.deepEqual(
      rows(
        [
          [1, 4],
          [-1, 2],
        ],
        [[1, 3]],
      ),
      [[[4], [2]], [[3]], 1],
    )
  })

  it('are whole inputs if no output has a batch dimension, or if the input is a vector of any length', () => {
    assert.deepEqual(rows([[3, 224, 224]], [[1000]]), [[[3, 224, 224]], [[1000]], 1])
    assert.deepEqual(rows([[-1, 4]], [[3]]), [[[-1, 4]], [[3]], 1])
    assert.deepEqual(rows([[-1]], [[1, 3]]), [[[-1]], [[3]], 1])
    assert.deepEqual(rows([[4]], [[4]]), [[[4]], [[4]], 1])
  })
})
