import { dataTypes } from './graph-schema.ts'

/** The most bytes of all constants and variables of a graph together. An ONNX file and WebAssembly's memory have the same limit. */
export const maxModelBytes = 2 ** 31 - 2 ** 20

/** The most bytes of all filled constants together. In a filled constant, one value of the file stands for several values. */
export const maxFilledBytes = 2 ** 26

/** The most values in one row of all inputs together. A free dimension counts as one. */
export const maxRowValues = 2 ** 24

/** The most dimensions of an input, as in TensorFlow. */
export const maxRank = 254

/** The most outputs of one node. */
export const maxParts = 1024

/** The bytes of one number of a data type; undefined for a type that is not supported. */
export function bytesOfType(dtype: number): number | undefined {
  return widths.get(dtype)
}

/** The number of values in a shape. Throws RangeError for a shape that no constant can have. */
export function sizeOfShape(sizes: readonly number[] | null): number {
  if (sizes === null) throw new RangeError('a constant has no rank')
  const size = sizes.reduce((product, one) => (one < 0 ? Number.NaN : product * one), 1)
  if (!(size <= maxModelBytes)) throw new RangeError(`a constant has the shape [${sizes.join(', ')}]`)
  return size
}

const widths: ReadonlyMap<number, number> = new Map([
  [dataTypes.float, 4],
  [dataTypes.int32, 4],
  [dataTypes.int64, 8],
  [dataTypes.bool, 1],
])
