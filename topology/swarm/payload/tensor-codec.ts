import { WaggleError } from '../../waggle-error.ts'
import type { Datatype, Tensor, TensorData } from './payload.ts'

/**
 * Encodes named tensors as bytes, little-endian. The data of each tensor is at a multiple of 8, so that a reader can use it in place:
 *
 *     magic "WGT1" (4) │ count u32 │ per tensor: name length u16, datatype u8, rank u8, shape rank × u32,
 *     data position u32, data length u32, name UTF-8, padding to 4 │ padding to 8 │ data …, each padded to 8
 */
export function encodeTensors(tensors: { readonly [name: string]: Tensor }): Uint8Array {
  const entries = Object.entries(tensors).map(([name, tensor]) => ({ name: Buffer.from(name), tensor }))
  let header = 8
  for (const { name, tensor } of entries) header += align(12 + 4 * tensor.shape.length + name.length, 4)
  let end = align(header, 8)
  const positions = entries.map(({ tensor }) => {
    const at = end
    end = align(end + tensor.data.byteLength, 8)
    return at
  })
  // Only the gaps between tensors are zeroed, so that a picture's bytes are written once.
  const bytes = Buffer.allocUnsafeSlow(end)
  bytes.fill(0, 0, align(header, 8))
  bytes.write(magic, 0, 'latin1')
  bytes.writeUInt32LE(entries.length, 4)
  let at = 8
  entries.forEach(({ name, tensor }, index) => {
    const position = positions[index] ?? 0
    bytes.writeUInt16LE(name.length, at)
    bytes.writeUInt8(datatypes.indexOf(tensor.datatype), at + 2)
    bytes.writeUInt8(tensor.shape.length, at + 3)
    tensor.shape.forEach((size, dimension) => bytes.writeUInt32LE(size, at + 4 + 4 * dimension))
    const after = at + 4 + 4 * tensor.shape.length
    bytes.writeUInt32LE(position, after)
    bytes.writeUInt32LE(tensor.data.byteLength, after + 4)
    name.copy(bytes, after + 8)
    at = align(after + 8 + name.length, 4)
    bytes.set(new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength), position)
    bytes.fill(0, position + tensor.data.byteLength, align(position + tensor.data.byteLength, 8))
  })
  return bytes
}

/** Checks a tensor's name, datatype, shape and length. Throws WAGGLE_MALFORMED_TENSORS if `decodeTensors` would not read the same tensor back. */
export function checkTensor(name: string, { datatype, shape, data }: Tensor): void {
  const width = datatypeBytes(datatype)
  if (width === undefined) throw malformed(`the datatype of ${shortName(name)} is unknown`)
  if (!name.isWellFormed() || Buffer.byteLength(name) > maxNameBytes)
    throw malformed(`the name ${shortName(name)} is not UTF-8 of at most ${maxNameBytes} bytes`)
  if (shape.length > maxRank) throw malformed(`the tensor ${shortName(name)} has more than ${maxRank} dimensions`)
  // The loop does not use `every`, because `every` skips a hole of a list.
  for (let at = 0; at < shape.length; at++) {
    const size = shape[at]
    if (!Number.isInteger(size) || size === undefined || size < 0 || size > maxSize)
      throw malformed(`the shape of ${shortName(name)} holds ${String(size)}`)
  }
  if (!(data instanceof arrays[datatype]))
    throw malformed(`the data of ${shortName(name)} is not of type ${arrays[datatype].name}, which ${datatype} needs`)
  if (elementsOf(shape) * width !== data.byteLength)
    throw malformed(`the tensor ${shortName(name)} has ${data.byteLength} bytes for the shape [${shape.slice(0, 8)}] of ${datatype}`)
}

/** The number of values in a tensor of this shape; NaN if it is too large for a double. */
function elementsOf(shape: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, 1)
}

/** Decodes tensors. A tensor's data is a view of `bytes` if the alignment allows it, else a copy. Malformed bytes throw WAGGLE_MALFORMED_TENSORS. */
export function decodeTensors(bytes: Uint8Array): { readonly [name: string]: Tensor } {
  const reader = new HeaderReader(bytes)
  const tensors = new Map<string, Tensor>()
  // Tensors may not share bytes. When tensors are written again, each gets bytes of its own, so a small body could become very large.
  let dataBytes = 0
  for (let left = reader.count; left > 0; left--) {
    const { name, datatype, shape, position, length } = reader.next()
    if (elementsOf(shape) * bytesOf(datatype) !== length)
      throw malformed(`tensor ${shortName(name)} has ${length} bytes for the shape [${shape.slice(0, 8)}] of ${datatype}`)
    dataBytes += length
    if (dataBytes > bytes.length) throw malformed('tensors share bytes: give each its own')
    if (tensors.has(name)) throw malformed(`there are two tensors ${shortName(name)}`)
    tensors.set(name, { datatype, shape, data: dataAt(bytes, position, length, datatype) })
  }
  return Object.fromEntries(tensors)
}

export function tensorData(datatype: Datatype, buffer: ArrayBufferLike, byteOffset: number, byteLength: number): TensorData {
  return new arrays[datatype](buffer as ArrayBuffer, byteOffset, byteLength / bytesOf(datatype))
}

const magic = 'WGT1'
/** Limits of the layout's fields. */
const maxNameBytes = 2 ** 16 - 1
const maxRank = 2 ** 8 - 1
const maxSize = 2 ** 32 - 1

function shortName(name: string): string {
  return JSON.stringify(name.slice(0, 40))
}

/** The number of a datatype in the encoding is its index in this list. */
const datatypes: readonly Datatype[] = ['BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64', 'FP32', 'FP64']

const arrays = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const

/** The size of one value in bytes. */
export function bytesOf(datatype: Datatype): number {
  return arrays[datatype].BYTES_PER_ELEMENT
}

/** The size of one value in bytes; undefined for an unknown datatype. */
export function datatypeBytes(datatype: string): number | undefined {
  return Object.hasOwn(arrays, datatype) ? bytesOf(datatype as Datatype) : undefined
}

function dataAt(bytes: Uint8Array, position: number, length: number, datatype: Datatype): TensorData {
  const place = bytes.byteOffset + position
  if (place % bytesOf(datatype) === 0) return tensorData(datatype, bytes.buffer, place, length)
  const copy = bytes.slice(position, position + length)
  return tensorData(datatype, copy.buffer, 0, length)
}

class HeaderReader {
  readonly #bytes: Buffer
  readonly count: number
  #at = 8

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (bytes.length < 8 || this.#bytes.toString('latin1', 0, 4) !== magic) throw malformed('they do not start with WGT1')
    this.count = this.#bytes.readUInt32LE(4)
  }

  next(): { name: string; datatype: Datatype; shape: number[]; position: number; length: number } {
    this.#need(4)
    const nameLength = this.#bytes.readUInt16LE(this.#at)
    const datatype = datatypes[this.#bytes.readUInt8(this.#at + 2)]
    const rank = this.#bytes.readUInt8(this.#at + 3)
    this.#need(12 + 4 * rank + nameLength)
    if (datatype === undefined) throw malformed(`datatype number ${this.#bytes.readUInt8(this.#at + 2)} is unknown`)
    const shape = Array.from({ length: rank }, (_, dimension) => this.#bytes.readUInt32LE(this.#at + 4 + 4 * dimension))
    const after = this.#at + 4 + 4 * rank
    const position = this.#bytes.readUInt32LE(after)
    const length = this.#bytes.readUInt32LE(after + 4)
    const name = this.#bytes.toString('utf8', after + 8, after + 8 + nameLength)
    if (position + length > this.#bytes.length) throw malformed(`tensor ${shortName(name)} reaches past the end`)
    this.#at = align(after + 8 + nameLength, 4)
    return { name, datatype, shape, position, length }
  }

  #need(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) throw malformed('their header is cut off')
  }
}

function align(at: number, to: number): number {
  return Math.ceil(at / to) * to
}

function malformed(what: string): WaggleError {
  return new WaggleError('WAGGLE_MALFORMED_TENSORS', {
    message: `The bytes are not tensors: ${what}`,
    next: 'Encode the tensors as application/vnd.waggle.tensors (bees/PROTOCOL.md).',
  })
}
