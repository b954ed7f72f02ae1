import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { centreSquare } from '../../swarms/teddy-bear-detector/svm/centre-square.ts'
import { featureCount, featuresOf, side } from '../../swarms/teddy-bear-detector/svm/features.ts'
import { loadSvm } from '../../swarms/teddy-bear-detector/svm/svm.ts'

/** Made by svm/reference/fixture.py from a photo, a drawing with alpha, and a picture without a bear. */
const names = ['bear-04-malaybear002.jpg', 'teddy-01-edward_bear.png', 'other-06-pizza.jpg']
const pixelBytes = side * side * 3
const recordBytes = pixelBytes + (featureCount + 2) * 4
const file = readFileSync(join(import.meta.dirname, 'svm-reference.bin'))
const predict = loadSvm(resolve(import.meta.dirname, '..', '..', 'swarms', 'teddy-bear-detector', 'svm'))

describe('The SVM bee', () => {
  for (const [at, name] of names.entries()) {
    const record = file.subarray(at * recordBytes, (at + 1) * recordBytes)
    const pixels = Uint8Array.from(record.subarray(0, pixelBytes))
    const reference = new Float32Array(Uint8Array.from(record.subarray(pixelBytes)).buffer)

    it(`computes the same features as the reference for the same pixels, within 1e-3: ${name}`, () => {
      const features = featuresOf(pixels)
      assert.equal(features.length, featureCount)
      features.forEach((feature, index) => {
        assert.ok(Math.abs(feature - (reference[index] ?? Number.NaN)) <= 1e-3, `feature ${index} is ${feature}, not ${reference[index]}`)
      })
    })

    it(`computes the same probabilities as the reference: ${name}`, () => {
      const { bear, teddy } = predict(featuresOf(pixels))
      assert.ok(Math.abs(bear - (reference[featureCount] ?? Number.NaN)) < 1e-3)
      assert.ok(Math.abs(teddy - (reference[featureCount + 1] ?? Number.NaN)) < 1e-3)
    })
  }

  it('uses a square picture in the model’s size unchanged, and uses the centre of a wider picture', () => {
    const pixels = Uint8Array.from(file.subarray(0, pixelBytes))
    assert.deepEqual(centreSquare(pixels, side, side), pixels)
    const wide = new Uint8Array(side * (side + 20) * 3)
    for (let y = 0; y < side; y++) wide.set(pixels.subarray(y * side * 3, (y + 1) * side * 3), (y * (side + 20) + 10) * 3)
    assert.deepEqual(centreSquare(wide, side, side + 20), pixels)
  })
})
