import type { TensorData } from '../../../topology/swarm/payload/payload.ts'
import { datatypeBytes, tensorData } from '../../../topology/swarm/payload/tensor-codec.ts'
import { ProblemError } from '../http/problem.ts'

const datatypes = ['BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64', 'FP16', 'BF16', 'FP32', 'FP64', 'BYTES'] as const

/** The datatypes of the Open Inference Protocol v2. */
export type InferenceDatatype = (typeof datatypes)[number]

/** A parameter of a request or of a tensor. */
export type InferenceParameter = string | number | boolean

export interface TensorHead {
  readonly name: string
  readonly datatype: InferenceDatatype
  readonly shape: readonly number[]
  readonly parameters: ReadonlyMap<string, InferenceParameter>
  /** The number of elements that follows from the shape. */
  readonly elements: number
}

/** An input of an inference request. The elements of FP16 and BF16 are a Float32Array; the elements of BYTES are a list. */
export interface InferenceTensor extends TensorHead {
  readonly data: TensorData | readonly Uint8Array[]
}

export interface UncheckedHead {
  readonly name: unknown
  readonly datatype: unknown
  readonly shape: unknown
  readonly parameters: ReadonlyMap<string, InferenceParameter>
}

/** Checks the description of a tensor before its data is read. Throws WAGGLE_INFERENCE_INPUT. */
export function checkedHead({ name, datatype, shape, parameters }: UncheckedHead): TensorHead {
  if (typeof name !== 'string' || name === '' || !name.isWellFormed() || name.length > maxNameLength)
    throw wrongInput(`the name of an input is not a text of 1 to ${maxNameLength} characters`)
  const known = datatypes.find((one) => one === datatype)
  if (known === undefined) throw wrongInput(`the input ${shown(name)} has the datatype ${shown(datatype)}; there is ${datatypes.join(', ')}`)
  if (!Array.isArray(shape) || shape.length > maxRank) throw wrongInput(`the shape of ${shown(name)} is not a list of at most ${maxRank} sizes`)
  let elements = 1
  for (const size of shape as readonly unknown[]) {
    if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || size > maxSize)
      throw wrongInput(`the shape of ${shown(name)} holds ${shown(size)}, and a size is an integer from 0 to ${maxSize}`)
    elements *= size
  }
  if (!Number.isSafeInteger(elements)) throw wrongInput(`the shape of ${shown(name)} says more elements than can be`)
  return { name, datatype: known, shape: shape as readonly number[], parameters, elements }
}

/** A tensor from its little-endian bytes, in the format of the binary tensor extension and of `raw_input_contents`. Throws WAGGLE_INFERENCE_INPUT. */
export function tensorOfBytes(head: TensorHead, bytes: Uint8Array): InferenceTensor {
  const { name, datatype, shape, elements } = head
  if (datatype === 'BYTES') return { ...head, data: elementsOf(head, bytes) }
  const width = datatype === 'FP16' || datatype === 'BF16' ? 2 : (datatypeBytes(datatype) ?? 1)
  if (bytes.byteLength !== elements * width)
    throw wrongInput(`the input ${shown(name)} has ${bytes.byteLength} bytes, where ${datatype} [${shape.join(', ')}] has ${elements * width}`)
  // A typed array must begin at a multiple of its element width, but the bytes of a request may begin anywhere.
  const aligned = bytes.byteOffset % width === 0 ? bytes : Uint8Array.prototype.slice.call(bytes)
  const { buffer, byteOffset, byteLength } = aligned
  if (datatype === 'FP16') return { ...head, data: Float32Array.from(new Float16Array(buffer as ArrayBuffer, byteOffset, elements)) }
  if (datatype === 'BF16') return { ...head, data: singles(new Uint16Array(buffer, byteOffset, elements)) }
  const data = tensorData(datatype, buffer, byteOffset, byteLength)
  if (datatype === 'BOOL' && (data as Uint8Array).some((byte) => byte > 1)) throw wrongInput(`the input ${shown(name)} has bytes other than 0 and 1`)
  return { ...head, data }
}

/** A tensor from values, in row-major order or in nested lists. Throws WAGGLE_INFERENCE_INPUT. */
export function tensorOfValues(head: TensorHead, given: unknown): InferenceTensor {
  const { name, datatype, shape, elements } = head
  if (!Array.isArray(given)) throw wrongInput(`the data of ${shown(name)} is not a list`)
  if (datatype === 'BYTES') checkTexts(head)
  const values: unknown[] = []
  gather(given, shape.length, values, () => wrongInput(`the lists of ${shown(name)} are deeper than the shape [${shape.join(', ')}]`))
  if (values.length !== elements)
    throw wrongInput(`the input ${shown(name)} has ${values.length} elements, where the shape [${shape.join(', ')}] has ${elements}`)
  const unfit = (value: unknown) => wrongInput(`the input ${shown(name)} holds ${shown(value)}, which is not of ${datatype}`)
  return { ...head, data: arrayOf(datatype, values, unfit) }
}

export function wrongInput(why: string): ProblemError {
  return new ProblemError('WAGGLE_INFERENCE_INPUT', `The request has an input that cannot be: ${why}`)
}

/** A caller's value, shortened for an error message. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60).toWellFormed())
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' ? String(value) : typeof value
}

const maxNameLength = 1024
const maxRank = 32
const maxSize = 2 ** 32 - 1
/** The most elements of BYTES. An empty element takes 4 bytes of a request, but 100 bytes in memory. */
const maxTexts = 250_000

function checkTexts({ name, elements }: Pick<TensorHead, 'name' | 'elements'>): void {
  if (elements > maxTexts) throw wrongInput(`the input ${shown(name)} has more than ${maxTexts} elements of BYTES`)
}

/** The elements of BYTES: each element is its length in 4 bytes, followed by its bytes. */
function elementsOf({ name, elements }: TensorHead, bytes: Uint8Array): readonly Uint8Array[] {
  checkTexts({ name, elements })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found: Uint8Array[] = []
  let at = 0
  while (at < bytes.byteLength && found.length < elements) {
    const length = at + 4 <= bytes.byteLength ? view.getUint32(at, true) : Number.POSITIVE_INFINITY
    if (at + 4 + length > bytes.byteLength) throw wrongInput(`the bytes of ${shown(name)} break off in element ${found.length}`)
    found.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  if (found.length !== elements || at !== bytes.byteLength)
    throw wrongInput(`the bytes of ${shown(name)} do not hold ${elements} elements, each behind its length in 4 bytes`)
  return found
}

function singles(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer)
}

function gather(list: readonly unknown[], depth: number, values: unknown[], tooDeep: () => Error): void {
  for (const item of list) {
    if (!Array.isArray(item)) values.push(item)
    else if (depth <= 1) throw tooDeep()
    else gather(item, depth - 1, values, tooDeep)
  }
}

function arrayOf(datatype: InferenceDatatype, values: readonly unknown[], unfit: (value: unknown) => Error): InferenceTensor['data'] {
  const each = <T>(read: (value: unknown) => T | null): T[] =>
    values.map((value) => {
      const one = read(value)
      if (one === null) throw unfit(value)
      return one
    })
  const real = (most: number) => (value: unknown) => (typeof value === 'number' && Math.abs(value) <= most ? value : null)
  const integer = (least: number, most: number) => (value: unknown) =>
    typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most ? value : null
  const large = (least: bigint, most: bigint) => (value: unknown) => {
    const one = largeInteger(value)
    return one !== null && one >= least && one <= most ? one : null
  }
  switch (datatype) {
    case 'BYTES':
      return each((value) => (value instanceof Uint8Array ? value : typeof value === 'string' && value.isWellFormed() ? Buffer.from(value) : null))
    case 'BOOL':
      return Uint8Array.from(each((value) => (typeof value === 'boolean' ? Number(value) : null)))
    case 'UINT8':
      return Uint8Array.from(each(integer(0, 255)))
    case 'UINT16':
      return Uint16Array.from(each(integer(0, 65_535)))
    case 'UINT32':
      return Uint32Array.from(each(integer(0, 2 ** 32 - 1)))
    case 'UINT64':
      return BigUint64Array.from(each(large(0n, 2n ** 64n - 1n)))
    case 'INT8':
      return Int8Array.from(each(integer(-128, 127)))
    case 'INT16':
      return Int16Array.from(each(integer(-32_768, 32_767)))
    case 'INT32':
      return Int32Array.from(each(integer(-(2 ** 31), 2 ** 31 - 1)))
    case 'INT64':
      return BigInt64Array.from(each(large(-(2n ** 63n), 2n ** 63n - 1n)))
    case 'FP16':
      return Float32Array.from(each(real(65_504)))
    case 'BF16':
    case 'FP32':
      return Float32Array.from(each(real(3.402_823_466_385_288_6e38)))
    case 'FP64':
      return Float64Array.from(each(real(Number.MAX_VALUE)))
  }
}

/** A 64-bit integer from a number that a double represents exactly, a bigint, or a text of digits. */
function largeInteger(value: unknown): bigint | null {
  if (typeof value === 'bigint') return value
  if (Number.isSafeInteger(value)) return BigInt(value as number)
  return typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? BigInt(value) : null
}
