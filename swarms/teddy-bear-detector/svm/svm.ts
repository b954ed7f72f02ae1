import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { featureCount } from './features.ts'

/** A linear SVM with Platt's scaling. svm.f32 holds little-endian float32: the weights, the bias, and the sigmoid's slope and offset. */
export function loadSvm(directory: string): (features: Float32Array) => { readonly bear: number; readonly teddy: number } {
  const bytes = readFileSync(join(directory, 'svm.f32'))
  const values = Array.from({ length: featureCount + 3 }, (_, at) => bytes.readFloatLE(at * 4))
  const [bias = 0, slope = 0, offset = 0] = values.slice(featureCount)
  return (features) => {
    const score = features.reduce((sum, feature, at) => sum + feature * (values[at] ?? 0), bias)
    const teddy = 1 / (1 + Math.exp(-(slope * score + offset)))
    return { bear: 1 - teddy, teddy }
  }
}
