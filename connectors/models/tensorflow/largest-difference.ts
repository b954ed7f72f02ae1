import type { RunTensor } from '../model-runtime.ts'
import type { Tensors } from './loaded-graph.ts'

/**
 * The largest difference between the values of two results, as a fraction of the range of the expected values. Infinity if outputs or shapes differ,
 * or if exactly one of two values is NaN.
 */
export function largestDifference(given: Tensors, expected: Tensors): number {
  const found = new Map(Object.entries(given))
  return Math.max(0, ...Object.entries(expected).map(([name, tensor]) => differenceOf(found.get(name), tensor)))
}

function differenceOf(given: RunTensor | undefined, { shape, data }: RunTensor): number {
  if (given === undefined || given.shape.length !== shape.length || given.shape.some((size, at) => size !== shape[at]))
    return Number.POSITIVE_INFINITY
  let [lowest, highest, difference] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]
  for (let at = 0; at < data.length; at++) {
    const [value, own] = [Number(data[at]), Number(given.data[at] ?? Number.NaN)]
    if (!Number.isFinite(value) || !Number.isFinite(own)) {
      if (!Object.is(own, value)) return Number.POSITIVE_INFINITY
      continue
    }
    difference = Math.max(difference, Math.abs(own - value))
    lowest = Math.min(lowest, value)
    highest = Math.max(highest, value)
  }
  // An output whose values are all equal has no range.
  const range = highest > lowest ? highest - lowest : Math.abs(highest)
  return difference === 0 ? 0 : difference / (range || 1)
}
