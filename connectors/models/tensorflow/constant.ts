import { dataTypes, type RawTensor, sizesOf } from './graph-schema.ts'
import { bytesOfType, sizeOfShape } from './tensor-size.ts'

/** A tensor of a graph: a constant, or a variable's value. `bytes` are little-endian. */
export interface Constant {
  readonly dtype: number
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** A constant of a graph. `isFilled`: the file has fewer values than the shape, so the last value stands for all missing values. */
interface ReadConstant extends Constant {
  readonly isFilled: boolean
}

interface ConstantBounds {
  readonly maxBytes: number
  /**
   * The most bytes of a constant that has fewer values in the file than in its shape. The bound is needed because a few bytes in the file can ask for
   * any number of values.
   */
  readonly maxFilledBytes: number
}

/**
 * Reads a constant. If the list of values is shorter than the shape, its last value stands for all missing values. Throws RangeError for an
 * incomplete constant, or a constant that exceeds the bounds.
 */
export function constantOf(tensor: RawTensor, { maxBytes, maxFilledBytes }: ConstantBounds): ReadConstant {
  const { dtype, tensorContent: content } = tensor
  const width = bytesOfType(dtype)
  if (width === undefined) throw new RangeError(`it has the data type number ${dtype}, which is not supported`)
  const shape = sizesOf(tensor.tensorShape) ?? []
  const wanted = sizeOfShape(shape) * width
  if (wanted > maxBytes) throw new RangeError('it passes the bound of a model’s size')
  if (content.length > 0 && content.length !== wanted) throw new RangeError(`it has ${content.length} bytes, where its shape wants ${wanted}`)
  if (content.length > 0) return { dtype, shape, bytes: content, isFilled: false }
  const { floatVal, intVal, int64Val, boolVal } = tensor
  const count = wanted / width
  const isFilled = Math.max(floatVal.length, intVal.length, int64Val.length, boolVal.length) < count
  if (isFilled && wanted > maxFilledBytes)
    throw new RangeError(`it repeats a value to ${wanted} bytes, and at most ${maxFilledBytes} are left for such constants`)
  return { dtype, shape, bytes: filled(tensor, count), isFilled }
}

/** The numbers of a small constant, such as a shape or the axes of a sum. */
export function numbersOf({ dtype, bytes }: Constant): readonly number[] {
  // The bytes are copied, because a Buffer may begin anywhere in its memory, and a typed array needs an aligned start.
  const own = new Uint8Array(bytes).buffer
  if (dtype === dataTypes.float) return Array.from(new Float32Array(own))
  if (dtype === dataTypes.int64) return Array.from(new BigInt64Array(own), Number)
  return Array.from(dtype === dataTypes.int32 ? new Int32Array(own) : new Uint8Array(own))
}

function filled({ dtype, floatVal, intVal, int64Val, boolVal }: RawTensor, count: number): Uint8Array {
  switch (dtype) {
    case dataTypes.float:
      return bytesOf(repeated(new Float32Array(count), floatVal, floatVal.at(-1) ?? 0))
    case dataTypes.int32:
      return bytesOf(repeated(new Int32Array(count), intVal, intVal.at(-1) ?? 0))
    case dataTypes.int64: {
      const wide = int64Val.slice(0, count).map((value) => BigInt(String(value)))
      const values = new BigInt64Array(count).fill(wide.at(-1) ?? 0n)
      values.set(wide)
      return bytesOf(values)
    }
    default:
      return repeated(new Uint8Array(count), boolVal.map(Number), Number(boolVal.at(-1) ?? false))
  }
}

function repeated<Numbers extends Float32Array | Int32Array | Uint8Array>(into: Numbers, values: readonly number[], last: number): Numbers {
  into.set(values.slice(0, into.length))
  into.fill(last, Math.min(values.length, into.length))
  return into
}

function bytesOf({ buffer }: { readonly buffer: ArrayBuffer }): Uint8Array {
  return new Uint8Array(buffer)
}
