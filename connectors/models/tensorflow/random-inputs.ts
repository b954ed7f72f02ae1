import type { Tensors } from './loaded-graph.ts'
import { type InputDatatype, nodeOf, type ServedGraph, type ServedInput } from './served-graph.ts'
import { maxRowValues } from './tensor-size.ts'

/** Tensors for all inputs. `sizeOf` returns the size of a free dimension, from its index among the `rank` dimensions. */
export function filledInputs(
  inputs: readonly ServedInput[],
  sizeOf: (axis: number, rank: number) => number,
  pick: (datatype: InputDatatype) => number,
): Tensors {
  return Object.fromEntries(
    inputs.map(({ signature: { name, shape }, datatype }) => {
      const sizes = shape.map((size, axis) => (size < 0 ? sizeOf(axis, shape.length) : size))
      const Numbers = datatype === 'FP32' ? Float32Array : datatype === 'INT32' ? Int32Array : Uint8Array
      const data = new Numbers(sizes.reduce((product, size) => product * size, 1))
      for (let at = 0; at < data.length; at++) data[at] = pick(datatype)
      return [name, { datatype, shape: sizes, data }]
    }),
  )
}

/**
 * Random tensors for the inputs of a graph, the same at each call. The size of a free dimension is 2 for the batch, 64 for a side of a picture, and 7
 * for any other dimension. Null if the tensors would exceed the bound on values.
 */
export function randomInputs({ inputs, nodes, constants }: ServedGraph): Tensors | null {
  const values = inputs.reduce(
    (sum, { signature: { shape } }) => sum + shape.reduce((product, size, axis) => product * sizeAt(size, axis, shape), 1),
    0,
  )
  if (!(values <= maxRowValues)) return null
  const next = randomNumbers()
  // An integer input is usually the number of a word. Such a number must be in the graph's table of words.
  const tables = nodes.filter(({ op }) => op === 'Gather' || op === 'GatherV2').map(({ input }) => constants.get(nodeOf(input[0] ?? ''))?.shape[0])
  const words = Math.max(2, Math.min(...tables.filter((size) => size !== undefined), 10))
  return filledInputs(inputs, freeSize, (datatype) =>
    datatype === 'FP32' ? next() * 2 - 1 : Math.floor(next() * { INT32: words, BOOL: 2, UINT8: 256 }[datatype]),
  )
}

function freeSize(axis: number, rank: number): number {
  return axis === 0 ? 2 : rank === 4 ? 64 : 7
}

function sizeAt(size: number, axis: number, shape: readonly number[]): number {
  return size < 0 ? freeSize(axis, shape.length) : size
}

/** A generator of numbers from 0 to 1 (mulberry32). It produces the same numbers each time. */
function randomNumbers(): () => number {
  let state = 20
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
