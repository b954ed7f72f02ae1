/**
 * The 2,596 features of an SVM for 96 × 96 RGB pixels: gradients (HOG), colour histograms and local binary patterns. The features equal the features
 * of reference/predict.py. The code uses the same single precision (`fround`), because rounding decides the bin of a pixel.
 */
export function featuresOf(pixels: Uint8Array): Float32Array {
  const features = new Float32Array(featureCount)
  const grey = greyOf(pixels)
  putGradients(grey, features)
  putColours(pixels, features)
  putPatterns(grey, features)
  return features
}

export const side = 96
export const featureCount = 2596

const { fround } = Math
const cell = 12
const cells = side / cell
const directions = 9
const blockLength = 4 * directions
const blocks = (cells - 1) * (cells - 1)
const coloursAt = blocks * blockLength
const globalAt = coloursAt + 16 * 28
const patternsAt = globalAt + 128
const pi = fround(Math.PI)

function greyOf(pixels: Uint8Array): Float32Array {
  const grey = new Float32Array(side * side)
  for (let at = 0, from = 0; at < grey.length; at++, from += 3) {
    const sum = fround(fround(unit(pixels[from]) + unit(pixels[from + 1])) + unit(pixels[from + 2]))
    grey[at] = sum / 3
  }
  return grey
}

function unit(value: number | undefined): number {
  return fround((value ?? 0) / 255)
}

/** Writes histograms of gradient directions in 12 × 12 cells. Each block of 2 × 2 cells is normalised, clipped at 0.2 and normalised again. */
function putGradients(grey: Float32Array, features: Float32Array): void {
  const histograms = new Float32Array(cells * cells * directions)
  const second = new Float32Array(histograms.length)
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const gx = slope(grey, y * side + x, 1, x)
      const gy = slope(grey, y * side + x, side, y)
      const magnitude = fround(Math.hypot(gx, gy))
      const turned = fround(Math.atan2(gy, gx)) % pi
      const angle = fround(fround((turned < 0 ? fround(turned + pi) : turned) / pi) * directions)
      const low = Math.floor(angle)
      const share = fround(angle - low)
      const at = (Math.floor(y / cell) * cells + Math.floor(x / cell)) * directions
      const first = at + (low % directions)
      const next = at + ((low + 1) % directions)
      histograms[first] = (histograms[first] ?? 0) + fround(magnitude * fround(1 - share))
      second[next] = (second[next] ?? 0) + fround(magnitude * share)
    }
  }
  for (let at = 0; at < histograms.length; at++) histograms[at] = (histograms[at] ?? 0) + (second[at] ?? 0)
  const block = new Float32Array(blockLength)
  for (let i = 0; i < cells - 1; i++) {
    for (let j = 0; j < cells - 1; j++) {
      const row = 2 * directions
      const upper = (i * cells + j) * directions
      block.set(histograms.subarray(upper, upper + row))
      block.set(histograms.subarray(upper + cells * directions, upper + cells * directions + row), row)
      normalise(block)
      for (let at = 0; at < blockLength; at++) block[at] = Math.min(block[at] ?? 0, 0.2)
      normalise(block)
      const to = (i * (cells - 1) + j) * blockLength
      for (let at = 0; at < blockLength; at++) features[to + at] = (block[at] ?? 0) * 0.35
    }
  }
}

/**
 * The slope at a pixel: a central difference, and a one-sided difference at the borders. `at` is the pixel's index, `place` its position along the
 * axis.
 */
function slope(grey: Float32Array, at: number, step: number, place: number): number {
  const value = (index: number) => grey[index] ?? 0
  if (place === 0) return fround(value(at + step) - value(at))
  if (place === side - 1) return fround(value(at) - value(at - step))
  return fround(fround(value(at + step) - value(at - step)) / 2)
}

function normalise(block: Float32Array): void {
  let squares = 0
  for (const value of block) squares += value * value
  const length = Math.sqrt(squares + 1e-4)
  for (let at = 0; at < block.length; at++) block[at] = (block[at] ?? 0) / length
}

/**
 * Writes histograms of colours: one of hue × saturation and one of value, for each cell of a 4 × 4 grid and for the whole picture. A bin is the
 * square root of its share of the pixels.
 */
function putColours(pixels: Uint8Array, features: Float32Array): void {
  const cellPixels = (side / 4) ** 2
  const counts = new Uint32Array(16 * 28)
  const global = new Uint32Array(128)
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const from = (y * side + x) * 3
      const [hue, saturation, value] = hsv(pixels[from] ?? 0, pixels[from + 1] ?? 0, pixels[from + 2] ?? 0)
      const at = ((Math.floor(y / 24) << 2) + Math.floor(x / 24)) * 28
      const inCell = at + (hue >> 5) * 3 + Math.floor((saturation * 3) / 256)
      counts[inCell] = (counts[inCell] ?? 0) + 1
      const ofValue = at + 24 + (value >> 6)
      counts[ofValue] = (counts[ofValue] ?? 0) + 1
      const inAll = ((hue >> 5) << 4) + ((saturation >> 6) << 2) + (value >> 6)
      global[inAll] = (global[inAll] ?? 0) + 1
    }
  }
  counts.forEach((count, at) => {
    features[coloursAt + at] = Math.sqrt(count / cellPixels) * 0.6
  })
  global.forEach((count, at) => {
    features[globalAt + at] = Math.sqrt(count / (side * side)) * 2
  })
}

/** Converts RGB to HSV as Pillow does: hue and saturation are truncated to 0–255, not rounded. */
function hsv(red: number, green: number, blue: number): readonly [hue: number, saturation: number, value: number] {
  const [r, g, b] = [again(red), again(green), again(blue)]
  const most = Math.max(r, g, b)
  const least = Math.min(r, g, b)
  if (most === least) return [0, 0, most]
  const range = most - least
  const away = (channel: number) => fround((most - channel) / range)
  const sector = r === most ? away(b) - away(g) : g === most ? 2 + away(r) - away(b) : 4 + away(g) - away(r)
  const hue = fround((fround(sector) / 6 + 1) % 1)
  return [Math.trunc(hue * 255), Math.trunc(fround(range / most) * 255), most]
}

/** A pixel's value as in the reference: scaled to 0–1 and back in single precision, and truncated. */
function again(value: number): number {
  return Math.trunc(fround(fround(value / 255) * 255))
}

/** Writes local binary patterns. A pattern says which of a pixel's eight neighbours are brighter than the pixel. */
function putPatterns(grey: Float32Array, features: Float32Array): void {
  const scaled = grey.map((value) => fround(value * 255))
  const counts = new Uint32Array(256)
  for (let y = 1; y < side - 1; y++) {
    for (let x = 1; x < side - 1; x++) {
      const at = y * side + x
      const centre = scaled[at] ?? 0
      let code = 0
      for (let bit = 0; bit < 8; bit++) if ((scaled[at + (around[bit] ?? 0)] ?? 0) > centre) code |= 1 << bit
      counts[code] = (counts[code] ?? 0) + 1
    }
  }
  counts.forEach((count, code) => {
    features[patternsAt + code] = Math.sqrt(count / (side - 2) ** 2) * 2
  })
}

const around = [-side - 1, -side, -side + 1, 1, side + 1, side, side - 1, -1]
