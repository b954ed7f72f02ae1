import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PictureResampler, type ResampleTarget } from '../../../connectors/models/picture-resampler.ts'

const plain = { factors: [1, 1, 1], offsets: [0, 0, 0] }

function resampled(
  height: number,
  width: number,
  target: Partial<ResampleTarget> & { readonly height: number; readonly width: number },
): Float32Array {
  const out = new Float32Array(target.height * target.width * 3)
  new PictureResampler({ fit: 'fill', layout: 'NHWC', values: plain, ...target }).write(picture(height, width), height, width, out, 0)
  return out
}

/** Pixels without a pattern. */
function picture(height: number, width: number): Uint8Array {
  return Uint8Array.from({ length: height * width * 3 }, (_, at) => (Math.imul(at + 1, 2_654_435_761) >>> 9) & 255)
}

/**
 * Computes each pixel by the definition of the filter: a windowed sinc of three lobes. If a picture becomes smaller, the sinc is 1.15 times narrower
 * than the ratio of the sizes.
 */
function defined(height: number, width: number, toHeight: number, toWidth: number): Float64Array {
  const weights = (from: number, to: number, at: number) => {
    const step = from / to
    const widening = step > 1 ? step / 1.15 : 1
    const centre = (at + 0.5) * step
    const low = Math.max(0, Math.floor(centre - 3 * widening + 0.5))
    const high = Math.min(from, Math.floor(centre + 3 * widening + 0.5))
    const shares = Array.from({ length: high - low }, (_, tap) => {
      const x = (low + tap - centre + 0.5) / widening
      const sinc = (d: number) => (d === 0 ? 1 : Math.sin(Math.PI * d) / (Math.PI * d))
      return Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0
    })
    const sum = shares.reduce((all, share) => all + share, 0)
    return { low, shares: shares.map((share) => share / sum) }
  }
  const pixels = picture(height, width)
  const out = new Float64Array(toHeight * toWidth * 3)
  for (let y = 0; y < toHeight; y++) {
    const down = weights(height, toHeight, y)
    for (let x = 0; x < toWidth; x++) {
      const across = weights(width, toWidth, x)
      for (let channel = 0; channel < 3; channel++) {
        let value = 0
        down.shares.forEach((share, i) => {
          across.shares.forEach((other, j) => {
            value += share * other * (pixels[((down.low + i) * width + across.low + j) * 3 + channel] ?? 0)
          })
        })
        out[(y * toWidth + x) * 3 + channel] = Math.min(255, Math.max(0, value))
      }
    }
  }
  return out
}

describe('A picture that is fitted to a model', () => {
  const sizes: readonly (readonly [height: number, width: number, toHeight: number, toWidth: number])[] = [
    [40, 53, 35, 35],
    [97, 31, 9, 17],
    [5, 4, 23, 11],
    [2, 1, 3, 5],
    [1, 1, 1, 1],
  ]
  for (const [height, width, toHeight, toWidth] of sizes)
    it(`has the values of its filter from ${height} × ${width} to ${toHeight} × ${toWidth}`, () => {
      const given = resampled(height, width, { height: toHeight, width: toWidth })
      defined(height, width, toHeight, toWidth).forEach((value, at) => {
        assert.ok(Math.abs((given[at] ?? Number.NaN) - value) < 1e-3, `${at}: ${given[at]}, where the filter gives ${value}`)
      })
    })

  it('is copied if it has the right size', () => {
    assert.deepEqual(Array.from(resampled(6, 7, { height: 6, width: 7 }), Math.round), [...picture(6, 7)])
  })

  it('has its colours in planes, scaled and shifted, if the model requires this', () => {
    const size = { height: 3, width: 2 }
    const rows = resampled(8, 9, size)
    const planes = resampled(8, 9, { ...size, layout: 'NCHW', values: { factors: [1, 2, 3], offsets: [10, 20, 30] } })
    rows.forEach((value, at) => {
      const channel = at % 3
      const expected = value * (channel + 1) + 10 * (channel + 1)
      assert.ok(Math.abs((planes[channel * 6 + Math.floor(at / 3)] ?? Number.NaN) - expected) < 1e-3)
    })
  })

  it('is unaffected by a larger picture that was fitted before', () => {
    const resampler = new PictureResampler({ height: 7, width: 7, fit: 'fill', layout: 'NHWC', values: plain })
    const [alone, after, before] = [new Float32Array(147), new Float32Array(147), new Float32Array(147)]
    new PictureResampler({ height: 7, width: 7, fit: 'fill', layout: 'NHWC', values: plain }).write(picture(5, 6), 5, 6, alone, 0)
    resampler.write(picture(90, 80), 90, 80, before, 0)
    resampler.write(picture(5, 6), 5, 6, after, 0)
    assert.deepEqual(after, alone)
  })
})
