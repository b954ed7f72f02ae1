import { side } from './features.ts'

/**
 * The centre square of a picture, scaled to 96 × 96 exactly as Pillow's BILINEAR does it. The filter is a triangle, which is wider for a larger
 * picture. It is applied along rows first, then along columns. Values are rounded to eight bits in between.
 */
export function centreSquare(pixels: Uint8Array, height: number, width: number): Uint8Array {
  const square = Math.min(height, width)
  const left = Math.floor((width - square) / 2)
  const top = Math.floor((height - square) / 2)
  const { taps, first, weights } = weightsOf(square)
  const rows = new Uint8Array(square * side * 3)
  for (let y = 0; y < square; y++) {
    const line = ((top + y) * width + left) * 3
    for (let x = 0; x < side; x++) {
      const from = line + (first[x] ?? 0) * 3
      let [r, g, b] = [half, half, half]
      for (let tap = 0; tap < taps; tap++) {
        const weight = weights[x * taps + tap] ?? 0
        if (weight === 0) continue
        r += (pixels[from + tap * 3] ?? 0) * weight
        g += (pixels[from + tap * 3 + 1] ?? 0) * weight
        b += (pixels[from + tap * 3 + 2] ?? 0) * weight
      }
      const to = (y * side + x) * 3
      rows[to] = r >> precision
      rows[to + 1] = g >> precision
      rows[to + 2] = b >> precision
    }
  }
  const out = new Uint8Array(side * side * 3)
  const rowLength = side * 3
  for (let y = 0; y < side; y++) {
    for (let i = 0; i < rowLength; i++) {
      let sum = half
      for (let tap = 0, from = (first[y] ?? 0) * rowLength + i; tap < taps; tap++, from += rowLength)
        sum += (rows[from] ?? 0) * (weights[y * taps + tap] ?? 0)
      out[y * rowLength + i] = sum >> precision
    }
  }
  return out
}

const precision = 22
const half = 1 << (precision - 1)

/** For each output pixel, the fixed-point weights of `taps` input pixels, beginning with the pixel `first`. */
function weightsOf(square: number): { readonly taps: number; readonly first: Int32Array; readonly weights: Int32Array } {
  const step = square / side
  const support = Math.max(1, step)
  const taps = Math.ceil(support) * 2 + 1
  const first = new Int32Array(side)
  const weights = new Int32Array(side * taps)
  for (let x = 0; x < side; x++) {
    const centre = (x + 0.5) * step
    const low = Math.max(0, Math.trunc(centre - support + 0.5))
    const high = Math.min(square, Math.trunc(centre + support + 0.5))
    const raw = Array.from({ length: high - low }, (_, tap) => Math.max(0, 1 - Math.abs((low + tap - centre + 0.5) / support)))
    const sum = raw.reduce((total, weight) => total + weight, 0)
    first[x] = low
    raw.forEach((weight, tap) => {
      weights[x * taps + tap] = Math.trunc(0.5 + (weight / sum) * (1 << precision))
    })
  }
  return { taps, first, weights }
}
