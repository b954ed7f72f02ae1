import { mediaTypeOf } from '../../../topology/media-type.ts'
import { type EdgeTypes, tensorsOf } from '../../../topology/swarm/inference-models.ts'
import { edgeJson } from '../../../topology/swarm/payload/json-value.ts'
import type { Tensor } from '../../../topology/swarm/payload/payload.ts'
import { jsonType, tensorsType } from '../../../topology/swarm/payload/payload-serde.ts'
import { encodeTensors } from '../../../topology/swarm/payload/tensor-codec.ts'
import { checkedBody, type RequestBody } from '../http/request-body.ts'
import { type InferenceParameter, type InferenceTensor, shown, wrongInput } from './inference-tensor.ts'

/** The most inputs of a request. Some models have one input for each column of a table. */
export const maxInputs = 1000

export interface InferenceInputs {
  readonly inputs: readonly InferenceTensor[]
  readonly parameters: ReadonlyMap<string, InferenceParameter>
}

/**
 * Converts tensors into the input of the swarm:
 *  - one input of BYTES with one element becomes that element: a picture, JSON or any bytes. The parameter `content_type` names the content type.
 *    Without the parameter, an element that is JSON counts as JSON, and any other element as application/octet-stream
 *  - inputs of numbers become tensors
 *  - other inputs, such as texts, become a JSON object with nested lists by name. Numbers also become such an object if their parameter
 *    `content_type` is application/json, or if the swarm accepts a JSON object
 *
 * Throws WAGGLE_INFERENCE_INPUT.
 */
export function swarmInputOf({ inputs, parameters }: InferenceInputs, { input }: EdgeTypes): RequestBody {
  const [first, second] = inputs
  if (first === undefined) throw wrongInput('there is none')
  if (inputs.length > maxInputs) throw wrongInput(`there are more than ${maxInputs}`)
  const names = new Set(inputs.map(({ name }) => name))
  if (names.size !== inputs.length) throw wrongInput('two have the same name')
  const known = tensorsOf(input)
  const isText = known !== null && Object.values(known).some(({ dtype }) => dtype === 'BYTES')
  if (second === undefined && first.datatype === 'BYTES' && first.elements === 1 && !isText) return elementBody(first, parameters)
  const isObject = input !== null && 'type' in input && input.type === 'object'
  const isHalf = known !== null && Object.values(known).some(({ dtype }) => dtype === 'FP16' || dtype === 'BF16')
  const contentType = parameters.get('content_type')
  const wantsJson = isObject || isHalf || (typeof contentType === 'string' && mediaTypeOf(contentType) === jsonType)
  const tensors = wantsJson ? null : tensorsBy(inputs)
  if (tensors !== null) return { bytes: encodeTensors(tensors), contentType: tensorsType }
  if (inputs.reduce((sum, one) => sum + one.elements + listsOf(one), 0) > maxJsonValues)
    throw wrongInput(`together they have more than ${maxJsonValues} elements and lists of elements, and this swarm takes them as JSON`)
  const values = inputs.map((one) => [one.name, nested(valuesOf(one), shapeFor(one, known))] as const)
  return { bytes: Buffer.from(JSON.stringify(Object.fromEntries(values))), contentType: jsonType }
}

/** The number of nested lists around the elements of a tensor in JSON. Trailing dimensions of size 1 make a list for each element. */
function listsOf({ elements, shape }: InferenceTensor): number {
  if (elements === 0) return 1
  let lists = 0
  let inside = 1
  for (const size of shape) {
    lists += inside
    inside *= size
  }
  return lists
}

/** The limit of JSON values from callers (`edgeJson`), reduced by a margin for the object around them. */
const maxJsonValues = 900_000

const maxTypeCharacters = 255

/** The payload that is the only element of an input. */
function elementBody({ name, data, parameters }: InferenceTensor, ofRequest: InferenceInputs['parameters']): RequestBody {
  const [element] = data as readonly Uint8Array[]
  if (element === undefined || element.byteLength === 0) throw wrongInput(`the element of ${shown(name)} is empty`)
  const contentType = parameters.get('content_type') ?? ofRequest.get('content_type')
  if (contentType === undefined) return isJson(element) ? checkedBody(element, jsonType) : checkedBody(element, 'application/octet-stream')
  if (typeof contentType !== 'string' || contentType.length > maxTypeCharacters || !/^[\x21-\x7e]+\/[\x20-\x7e]{1,200}$/.test(contentType))
    throw wrongInput(`the parameter content_type of ${shown(name)} is not type/subtype`)
  return checkedBody(element, contentType)
}

function isJson(bytes: Uint8Array): boolean {
  // The first byte distinguishes JSON from pictures and texts, so that only JSON is parsed.
  const first = bytes.find((byte) => byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)
  if (first === undefined || !jsonStarts.has(first)) return false
  try {
    edgeJson(bytes)
    return true
  } catch {
    return false
  }
}

/** The bytes with which a JSON value can begin. */
const jsonStarts: ReadonlySet<number> = new Set([...Buffer.from('{["-0123456789tfn')])

/** The inputs as Waggle's tensors; null if an input is BYTES. FP16 and BF16 become FP32, which represents all their values exactly. */
function tensorsBy(inputs: readonly InferenceTensor[]): { readonly [name: string]: Tensor } | null {
  const tensors: [string, Tensor][] = []
  for (const { name, datatype, shape, data } of inputs) {
    if (datatype === 'BYTES' || !ArrayBuffer.isView(data)) return null
    tensors.push([name, { datatype: datatype === 'FP16' || datatype === 'BF16' ? 'FP32' : datatype, shape, data }])
  }
  return Object.fromEntries(tensors)
}

/** The shape for JSON. Programs that use numpy often add a batch dimension of size 1 in front, which one row of a model does not have. */
function shapeFor({ name, shape }: InferenceTensor, known: ReturnType<typeof tensorsOf>): readonly number[] {
  const own = known !== null && Object.hasOwn(known, name) ? known[name] : undefined
  return own !== undefined && shape.length === own.shape.length + 1 && shape[0] === 1 ? shape.slice(1) : shape
}

function valuesOf({ name, datatype, data }: InferenceTensor): readonly unknown[] {
  if (!ArrayBuffer.isView(data)) return data.map((element) => textOf(name, element))
  if (datatype === 'BOOL') return Array.from(data as Uint8Array, (byte) => byte === 1)
  const values: readonly (number | bigint)[] = Array.from<number | bigint>(data as Iterable<number | bigint>)
  return values.map((value) => {
    if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
    if (Number.isFinite(value)) return value
    throw wrongInput(`the input ${shown(name)} holds ${value}, which this swarm cannot take`)
  })
}

function textOf(name: string, element: Uint8Array): string {
  try {
    return utf8.decode(element)
  } catch {
    throw wrongInput(`an element of ${shown(name)} is not UTF-8; bytes are taken as the only element of the only input`)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Nested lists of this shape. A shape with a dimension of size 0 gives one empty list, because [1000000000, 0] would otherwise be a billion lists.
 */
function nested(values: readonly unknown[], shape: readonly number[]): unknown {
  if (shape.length === 0) return values[0]
  let lists = values
  for (const size of shape.includes(0) ? [] : shape.slice(1).reverse()) {
    const inner = lists
    lists = Array.from({ length: inner.length / size }, (_, at) => inner.slice(at * size, (at + 1) * size))
  }
  return lists
}
