import { dataTypes, type RawTensor, sizesOf } from './graph-schema.ts'
import { bytesOfType, sizeOfShape } from './tensor-size.ts'

/** A tensor of a graph: a constant, or a variable's value. `bytes` are little-endian. */
export interface Constant {
  readonly dtype: number
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** Reads a constant. A single value stands for as many as the shape has. Throws RangeError for one that is not whole. */
export function constantOf(tensor: RawTensor, maxBytes: number): Constant {
  const { dtype, tensorContent: content } = tensor
  const width = bytesOfType(dtype)
  if (width === undefined) throw new RangeError(`it has the data type number ${dtype}, which is not supported`)
  const shape = sizesOf(tensor.tensorShape) ?? []
  const wanted = sizeOfShape(shape) * width
  if (wanted > maxBytes) throw new RangeError('it passes the bound of a model’s size')
  if (content.length > 0 && content.length !== wanted) throw new RangeError(`it has ${content.length} bytes, where its shape wants ${wanted}`)
  return { dtype, shape, bytes: content.length > 0 ? content : filled(tensor, wanted / width) }
}

/** The numbers of a small constant, such as a shape or the axes of a sum. */
export function numbersOf({ dtype, bytes }: Constant): readonly number[] {
  // A copy, because a Buffer's slice begins anywhere in memory that it shares.
  const own = new Uint8Array(bytes).buffer
  if (dtype === dataTypes.float) return Array.from(new Float32Array(own))
  if (dtype === dataTypes.int64) return Array.from(new BigInt64Array(own), Number)
  return Array.from(dtype === dataTypes.int32 ? new Int32Array(own) : new Uint8Array(own))
}

function filled({ dtype, floatVal, intVal, int64Val, boolVal }: RawTensor, count: number): Uint8Array {
  const value =
    <T>(values: readonly T[], none: T) =>
    (_: unknown, at: number) =>
      values[Math.min(at, values.length - 1)] ?? none
  const from = { length: count }
  switch (dtype) {
    case dataTypes.float:
      return new Uint8Array(Float32Array.from(from, value(floatVal, 0)).buffer)
    case dataTypes.int32:
      return new Uint8Array(Int32Array.from(from, value(intVal, 0)).buffer)
    case dataTypes.int64:
      return new Uint8Array(BigInt64Array.from(from, (_, at) => BigInt(String(value(int64Val, 0)(_, at)))).buffer)
    default:
      return Uint8Array.from(from, (_, at) => Number(value(boolVal, false)(_, at)))
  }
}
