import { isFields } from '../../../topology/fields.ts'
import type { RunTensor } from '../model-runtime.ts'
import { boundedTensors } from './metadata-bounds.ts'
import { type ExpectedOutput, maxAnswerValues, type NamedTensors, type ServedMetadata, type ServedTensor } from './serving-client.ts'
import { quoted, ServingFailure, tooManyValues } from './serving-failure.ts'

/**
 * The body of a predict call in TensorFlow Serving’s column format. Special numbers are written as the tokens NaN and Infinity, which the server’s
 * JSON reader accepts.
 */
export function predictBody(signature: string, inputs: NamedTensors): string {
  const columns = Object.entries(inputs).map(([name, tensor]) => `${JSON.stringify(name)}:${nested(tensor)}`)
  return `{"signature_name":${JSON.stringify(signature)},"inputs":{${columns.join(',')}}}`
}

function nested({ datatype, shape, data }: RunTensor): string {
  const isShort = datatype === 'FP32' || datatype === 'FP16'
  let text = ''
  let at = 0
  const write = (axis: number): void => {
    if (axis === shape.length) {
      const value = data[at++]
      text += datatype === 'BOOL' ? value !== 0 : isShort ? shortFloat(Number(value)) : value
      return
    }
    text += '['
    for (let item = 0; item < (shape[axis] ?? 0); item++) {
      if (item > 0) text += ','
      write(axis + 1)
    }
    text += ']'
  }
  write(0)
  return text
}

/**
 * Writes a float with nine digits, which represent any FP32 exactly. Nine digits are written much faster than the seventeen digits that a double
 * needs.
 */
function shortFloat(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(9)
}

/**
 * Reads the answer to a predict call. With one output, the answer is the value itself; with several, it is an object of values by name. Throws a
 * ServingFailure.
 */
export function readPrediction(text: string, outputs: readonly ExpectedOutput[]): NamedTensors {
  const answer = parsed(
    text,
    outputs.some(({ datatype }) => datatype === 'INT64' || datatype === 'UINT64'),
  )
  const all = member(answer, 'outputs')
  if (all === undefined) throw new ServingFailure('unusable', `answers without "outputs": ${quoted(text.slice(0, 500))}`)
  return Object.fromEntries(
    outputs.map((output) => {
      const value = isFields(all) ? member(all, output.name) : outputs.length === 1 ? all : undefined
      if (value === undefined) throw new ServingFailure('unusable', `answers without the output ${output.name}`)
      return [output.name, tensorOf(output, value)]
    }),
  )
}

/** Reads the answer of `/metadata`. Throws a ServingFailure. */
export function readMetadata(text: string): ServedMetadata {
  const answer = parsed(text, false)
  const signatures = member(member(member(answer, 'metadata'), 'signature_def'), 'signature_def')
  if (!isFields(signatures)) throw new ServingFailure('unusable', `answers without a model’s metadata: ${quoted(text.slice(0, 500))}`)
  const version = member(member(answer, 'model_spec'), 'version')
  return {
    version: typeof version === 'string' ? version : null,
    signatures: new Map(
      Object.entries(signatures).map(([name, signature]) => [
        name,
        { inputs: tensorsOf(member(signature, 'inputs')), outputs: tensorsOf(member(signature, 'outputs')) },
      ]),
    ),
  }
}

/** The error in the body of a TensorFlow Serving's answer; the start of the body if it contains no error. */
export function errorIn(text: string): string {
  const beginning = text.slice(0, 500)
  if (text.length > maxErrorCharacters) return quoted(beginning)
  try {
    const error = member(JSON.parse(text), 'error')
    if (typeof error === 'string') return quoted(error)
  } catch {
    // The body is not JSON, so its start is shown.
  }
  return quoted(beginning)
}

/** The limit of an error's text. The longest errors of TensorFlow Serving quote a node of a graph. */
const maxErrorCharacters = 1024 * 1024

/** Parses JSON that may contain TensorFlow Serving’s tokens NaN and Infinity. Large integers become bigints if `isLarge`. */
function parsed(text: string, isLarge: boolean): unknown {
  if (text.length > maxAnswerValues && valuesIn(text) > maxAnswerValues) throw tooManyValues(maxAnswerValues)
  // A reviver takes a microsecond for each value, so it is used only if the text contains a large number.
  const reviver =
    isLarge && /\d{16}/.test(text)
      ? (_: string, value: unknown, { source }: { readonly source?: string } = {}) =>
          typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && /^-?\d{1,20}$/.test(source) ? BigInt(source) : value
      : undefined
  try {
    return JSON.parse(text, reviver)
  } catch {
    try {
      return JSON.parse(
        // The pattern for a string also matches an unclosed string up to the end of the text, so that each character is read only once.
        text.replace(/"(?:[^"\\]|\\[\s\S])*(?:"|\\?$)|NaN|-?Infinity/g, (token) => notFinite.get(token) ?? token),
        reviver,
      )
    } catch (cause) {
      throw new ServingFailure('unusable', `answers with something that is not JSON: ${quoted(text.slice(0, 500))}`, cause)
    }
  }
}

/**
 * An upper bound for the number of values in a JSON text: a comma or a bracket precedes each value except the first. Brackets count too, because an
 * empty list has two characters in the text and some 30 bytes in memory.
 */
function valuesIn(text: string): number {
  let count = 1
  for (let at = 0; at < text.length && count <= maxAnswerValues; at++) {
    const character = text.charCodeAt(at)
    if (character === comma || character === openBracket || character === openBrace) count++
  }
  return count
}

const [comma, openBracket, openBrace] = [0x2c, 0x5b, 0x7b]

const notFinite: ReadonlyMap<string, string> = new Map([
  ['NaN', '"NaN"'],
  ['Infinity', '1e999'],
  ['-Infinity', '-1e999'],
])

function tensorsOf(json: unknown): readonly ServedTensor[] {
  if (!isFields(json)) return []
  return boundedTensors(
    Object.entries(json).map(([name, info]) => {
      const shape = member(info, 'tensor_shape')
      const dimensions = member(shape, 'dim')
      const type = member(info, 'dtype')
      return {
        name,
        type: typeof type === 'string' ? quoted(type) : '',
        shape:
          member(shape, 'unknown_rank') === true
            ? null
            : (Array.isArray(dimensions) ? dimensions : []).map((dimension) => Number(member(dimension, 'size') ?? 0)),
      }
    }),
  )
}

function tensorOf({ name, datatype, shape: expected }: ExpectedOutput, json: unknown): RunTensor {
  const unusable = (why: string) => new ServingFailure('unusable', `answers with ${why} for the output ${name}`)
  const shape: number[] = []
  for (let at: unknown = json; Array.isArray(at); at = at[0]) {
    if (shape.length === expected.length) throw unusable(`a list of more than ${expected.length} dimensions`)
    shape.push(at.length)
  }
  const values: unknown[] = []
  const gather = (value: unknown, depth: number): void => {
    if (depth === shape.length) values.push(value)
    else if (!Array.isArray(value) || value.length !== shape[depth]) throw unusable('a ragged list')
    else for (const item of value) gather(item, depth + 1)
  }
  gather(json, 0)
  return { datatype, shape, data: dataOf(datatype, values, unusable) }
}

function dataOf(datatype: RunTensor['datatype'], values: readonly unknown[], unusable: (why: string) => ServingFailure): RunTensor['data'] {
  const wrong = (value: unknown) => unusable(`${quoted(String(JSON.stringify(value)).slice(0, 100))}, which is no ${datatype},`)
  const float = (value: unknown) => (typeof value === 'number' ? value : value === 'NaN' ? Number.NaN : raise(wrong(value)))
  const within = (least: number, most: number) => (value: unknown) =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most ? Number(value) : raise(wrong(value))
  const large = (least: bigint, most: bigint) => (value: unknown) => {
    const integer = typeof value === 'bigint' ? value : Number.isSafeInteger(value) ? BigInt(Number(value)) : raise(wrong(value))
    return integer >= least && integer <= most ? integer : raise(wrong(String(value)))
  }
  switch (datatype) {
    case 'BYTES':
      return values.map((value) => (typeof value === 'string' ? value : (textOf(value) ?? raise(wrong(value)))))
    case 'BOOL':
      return Uint8Array.from(values, (value) => (typeof value === 'boolean' ? Number(value) : raise(wrong(value))))
    case 'FP16':
    case 'FP32':
      return Float32Array.from(values, float)
    case 'FP64':
      return Float64Array.from(values, float)
    case 'INT8':
      return Int8Array.from(values, within(-128, 127))
    case 'INT16':
      return Int16Array.from(values, within(-32_768, 32_767))
    case 'INT32':
      return Int32Array.from(values, within(-(2 ** 31), 2 ** 31 - 1))
    case 'INT64':
      return BigInt64Array.from(values.map(large(-(2n ** 63n), 2n ** 63n - 1n)))
    case 'UINT8':
      return Uint8Array.from(values, within(0, 255))
    case 'UINT16':
      return Uint16Array.from(values, within(0, 65_535))
    case 'UINT32':
      return Uint32Array.from(values, within(0, 2 ** 32 - 1))
    case 'UINT64':
      return BigUint64Array.from(values.map(large(0n, 2n ** 64n - 1n)))
  }
}

/** The text in bytes that TensorFlow Serving writes as `{"b64": "…"}`; null for any other value. */
function textOf(json: unknown): string | null {
  const bytes = member(json, 'b64')
  return typeof bytes === 'string' ? Buffer.from(bytes, 'base64').toString() : null
}

function raise(error: Error): never {
  throw error
}

function member(json: unknown, name: string): unknown {
  return isFields(json) && Object.hasOwn(json, name) ? json[name] : undefined
}
