import type { Tensors } from './loaded-graph.ts'
import { type InputDatatype, nodeOf, type ServedGraph, type ServedInput } from './served-graph.ts'

/** Tensors for all inputs. `sizeOf`: size of a free dimension, by its place among `rank` dimensions. */
export function filledInputs(
  inputs: readonly ServedInput[],
  sizeOf: (axis: number, rank: number) => number,
  pick: (datatype: InputDatatype) => number,
): Tensors {
  return Object.fromEntries(
    inputs.map(({ signature: { name, shape }, datatype }) => {
      const sizes = shape.map((size, axis) => (size < 0 ? sizeOf(axis, shape.length) : size))
      const from = { length: sizes.reduce((product, size) => product * size, 1) }
      const value = () => pick(datatype)
      const Numbers = datatype === 'FP32' ? Float32Array : datatype === 'INT32' ? Int32Array : Uint8Array
      return [name, { datatype, shape: sizes, data: Numbers.from(Array.from(from, value)) }]
    }),
  )
}

/** Random tensors of a graph's own shapes, the same each time: two rows, 64 for a picture's height and width, else 7. */
export function randomInputs({ inputs, nodes, constants }: ServedGraph): Tensors {
  const next = randomNumbers()
  // An integer is mostly a word's number, and must be one that the table of words has.
  const tables = nodes.filter(({ op }) => op === 'Gather' || op === 'GatherV2').map(({ input }) => constants.get(nodeOf(input[0] ?? ''))?.shape[0])
  const words = Math.max(2, Math.min(...tables.filter((size) => size !== undefined), 10))
  return filledInputs(
    inputs,
    (axis, rank) => (axis === 0 ? 2 : rank === 4 ? 64 : 7),
    (datatype) => (datatype === 'FP32' ? next() * 2 - 1 : Math.floor(next() * { INT32: words, BOOL: 2, UINT8: 256 }[datatype])),
  )
}

/** Numbers from 0 to 1 (mulberry32). */
function randomNumbers(): () => number {
  let state = 20
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
