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

describe('One row of a model', () => {
  it('the first dimension is the batch where it is free, or of one size, in all inputs and outputs', () => {
    assert.deepEqual(rows([[-1, 4], [-1]], [[-1, 3], [-1]]), [[[4], []], [[3], []], null])
    assert.deepEqual(rows([[8, 4]], [[8, 3], [8]]), [[[4]], [[3], []], 8])
    assert.deepEqual(rows([[1, 3, 224, 224]], [[1, 1000]]), [[[3, 224, 224]], [[1000]], 1])
  })

  it('a run has one row where an input or an output has no dimension for a batch', () => {
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

  it('the whole input is a row where no output has a dimension for a batch, and for a vector of any length', () => {
    assert.deepEqual(rows([[3, 224, 224]], [[1000]]), [[[3, 224, 224]], [[1000]], 1])
    assert.deepEqual(rows([[-1, 4]], [[3]]), [[[-1, 4]], [[3]], 1])
    assert.deepEqual(rows([[-1]], [[1, 3]]), [[[-1]], [[3]], 1])
    assert.deepEqual(rows([[4]], [[4]]), [[[4]], [[4]], 1])
  })
})
