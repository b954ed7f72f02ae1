import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Refused } from 'waggle-streams'
import svm from './svm/bee.ts'

/** A square picture of one colour. */
const picture = { height: 96, width: 96, pixels: new Uint8Array(96 * 96 * 3).fill(128) }

it('the scores of a picture add up to one', () => {
  const { pixels, height, width } = picture
  const { scores } = svm({ tensors: { image: { datatype: 'UINT8', shape: [height, width, 3], data: pixels } } })
  assert.ok(Math.abs(scores.bear + scores.teddy - 1) < 1e-6)
})

it('the SVM refuses an input that is not a picture', () => {
  assert.throws(() => svm({}), Refused)
})
