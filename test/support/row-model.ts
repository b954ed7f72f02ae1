import type { ModelSignature, TensorSignature } from '../../topology/swarm/ports/models.ts'

/** The input of a model that takes one number a row. */
export const rowInput: TensorSignature = { name: 'x', datatype: 'FP32', shape: [1], dimensions: [''] }

/** The output with two scores a row. */
export const rowScores: TensorSignature = { name: 'scores', datatype: 'FP32', shape: [2], dimensions: [''] }

/** The signature of a model that returns two scores for one number, in batches of any size. */
export const rowSignature: ModelSignature = {
  inputs: [{ ...rowInput, shape: [-1, 1] }],
  outputs: [{ ...rowScores, shape: [-1, 2] }],
  rows: [rowInput],
  outputRows: [rowScores],
  rowsPerRun: null,
  takesPictures: false,
  classes: null,
  labels: null,
}
