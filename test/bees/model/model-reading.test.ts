import assert from 'node:assert/strict'
import { it } from 'node:test'
import { predictionOf, readingOf } from '../../../bees/model/model-reading.ts'
import type { ModelSignature } from '../../../topology/swarm/ports/models.ts'

const signature: ModelSignature = {
  inputs: [],
  outputs: [],
  rows: [],
  outputRows: [{ name: 'probabilities', datatype: 'FP32', shape: [4], dimensions: [''] }],
  rowsPerRun: null,
  takesPictures: false,
  classes: null,
  labels: null,
}
const names = ['crane', 'crane (2)', 'crane', 'crane']
const result = { outputs: { probabilities: { shape: [1, 4], values: [0.1, 0.2, 0.3, 0.4] } } }

for (const [from, reading] of [
  ['the spec', () => readingOf({ model: 'm', labels: names }, signature)],
  ['a file beside the model', () => readingOf({ model: 'm' }, { ...signature, labels: { names, from: 'labels.txt' } })],
  ['the model’s classes', () => readingOf({ model: 'm' }, { ...signature, classes: names })],
] as const)
  it(`A label that occurs twice in ${from} gets a number as a suffix, and no score is lost`, () => {
    assert.deepEqual(predictionOf(result, reading(), { model: 'bee' }), {
      label: 'crane (4)',
      scores: { crane: 0.1, 'crane (2)': 0.2, 'crane (3)': 0.3, 'crane (4)': 0.4 },
      model: 'bee',
    })
  })
