import type { Datatype, TensorData } from '../../../topology/swarm/payload/payload.ts'
import { bytesOf, tensorData } from '../../../topology/swarm/payload/tensor-codec.ts'
import type { RunTensor } from '../model-runtime.ts'
import type { RawTensorProto } from './prediction-schema.ts'
import type { ExpectedOutput } from './serving-client.ts'
import { ServingFailure } from './serving-failure.ts'
import { typeName, typeNumber } from './tensor-types.ts'

/** A tensor as TensorFlow's TensorProto, with its values as bytes. */
export function tensorProto({ datatype, shape, data }: RunTensor): RawTensorProto {
  const type = { dtype: typeNumber(datatype), tensorShape: { dim: shape.map((size) => ({ size })) } }
  if (!ArrayBuffer.isView(data)) return { ...type, stringVal: data.map((text) => Buffer.from(text)) }
  const values = datatype === 'FP16' ? Float16Array.from(data as Float32Array) : data
  return { ...type, tensorContent: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) }
}

/**
 * Reads a TensorProto of the expected type. Its values are bytes or a list. If the list is too short, its last value stands for all missing values.
 * Throws a ServingFailure.
 */
export function readTensorProto({ name, datatype }: ExpectedOutput, proto: RawTensorProto): RunTensor {
  const unusable = (why: string) => new ServingFailure('unusable', `answers with ${why} for the output ${name}`)
  if (proto.dtype !== typeNumber(datatype)) throw unusable(`${typeName(proto.dtype ?? 0)} instead of ${typeName(typeNumber(datatype))}`)
  const shape = (proto.tensorShape?.dim ?? []).map(({ size }) => Number(size ?? 0))
  const count = shape.reduce((product, size) => product * size, 1)
  if (
    proto.tensorShape?.unknownRank === true ||
    shape.length > maxRank ||
    !shape.every((size) => Number.isSafeInteger(size) && size >= 0) ||
    count > maxValues
  )
    throw unusable('a shape that cannot be')
  if (datatype === 'BYTES') {
    const texts = proto.stringVal ?? []
    if (texts.length !== count) throw unusable(`${texts.length} strings for the shape [${shape.join(', ')}]`)
    return { datatype, shape, data: texts.map((text) => Buffer.from(text).toString()) }
  }
  const content = proto.tensorContent ?? new Uint8Array(0)
  if (content.length > 0) {
    const width = datatype === 'FP16' ? 2 : bytesOf(datatype)
    if (content.length !== count * width) throw unusable(`${content.length} bytes for the shape [${shape.join(', ')}]`)
    const { buffer } = Uint8Array.from(content)
    return {
      datatype,
      shape,
      data: datatype === 'FP16' ? Float32Array.from(new Float16Array(buffer)) : tensorData(datatype, buffer, 0, content.length),
    }
  }
  const values = listOf(datatype, proto)
  if (values.length > count) throw unusable(`${values.length} values for the shape [${shape.join(', ')}]`)
  return { datatype, shape, data: filled(datatype, values, count) }
}

const maxRank = 32
/** The most values of an output in one call. The bound is needed because a small message may claim a large shape. */
const maxValues = 16_777_216

type Numeric = Exclude<RunTensor['datatype'], 'BYTES'>

function listOf(datatype: Numeric, proto: RawTensorProto): readonly unknown[] {
  switch (datatype) {
    case 'FP16':
      return proto.halfVal ?? []
    case 'FP32':
      return proto.floatVal ?? []
    case 'FP64':
      return proto.doubleVal ?? []
    case 'INT64':
      return proto.int64Val ?? []
    case 'UINT64':
      return proto.uint64Val ?? []
    case 'UINT32':
      return proto.uint32Val ?? []
    case 'BOOL':
      return proto.boolVal ?? []
    default:
      return proto.intVal ?? []
  }
}

function filled(datatype: Numeric, values: readonly unknown[], count: number): TensorData {
  const stored: Datatype = datatype === 'FP16' ? 'FP32' : datatype
  const data = tensorData(stored, new ArrayBuffer(count * bytesOf(stored)), 0, count * bytesOf(stored))
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    values.forEach((value, at) => {
      data[at] = BigInt(String(value))
    })
    const last = data[values.length - 1]
    if (last !== undefined) data.fill(last, values.length)
    return data
  }
  const numbers = datatype === 'FP16' ? halves(values) : values
  for (let at = 0; at < values.length; at++) data[at] = Number(numbers[at])
  const last = data[values.length - 1]
  if (last !== undefined) data.fill(last, values.length)
  return data
}

/** Decodes 16-bit patterns into numbers. */
function halves(bits: readonly unknown[]): ArrayLike<number> {
  return new Float16Array(Uint16Array.from(bits, Number).buffer)
}
