import { isFields } from '../../../topology/fields.ts'
import { edgeJson } from '../../../topology/swarm/payload/json-value.ts'
import { saidBy } from '../../../topology/waggle-error.ts'
import { maxInputs } from '../inference/inference-input.ts'
import { type InferenceOutput, jsonList, type RequestedOutput, rawBytes } from '../inference/inference-output.ts'
import {
  checkedHead,
  type InferenceParameter,
  type InferenceTensor,
  shown,
  tensorOfBytes,
  tensorOfValues,
  wrongInput,
} from '../inference/inference-tensor.ts'
import { ProblemError } from './problem.ts'

/** A request of the Open Inference Protocol, with or without binary tensors. */
export interface InferenceBody {
  /** The caller's own id; empty if the request has no id. */
  readonly id: string
  readonly parameters: ReadonlyMap<string, InferenceParameter>
  readonly inputs: readonly InferenceTensor[]
  readonly outputs: readonly RequestedOutput[]
}

/**
 * Reads the body of an inference request: JSON, followed by the data of the inputs with the parameter `binary_data_size`. `headerLength` is the value
 * of the header `Inference-Header-Content-Length`, which is the length of the JSON; undefined if the whole body is JSON. Throws a ProblemError.
 */
export function readInference(body: Uint8Array, headerLength: string | undefined): InferenceBody {
  const jsonLength = headerLength === undefined ? body.byteLength : lengthOf(headerLength, body.byteLength)
  const { id = '', inputs, outputs = [], parameters } = objectOf(jsonOf(body.subarray(0, jsonLength)), 'the body')
  if (typeof id !== 'string' || id.length > maxIdLength) throw badBody(`id is not a text of at most ${maxIdLength} characters`)
  if (!Array.isArray(inputs)) throw wrongInput('the body has no list of inputs')
  if (inputs.length > maxInputs) throw wrongInput(`there are more than ${maxInputs}`)
  if (!Array.isArray(outputs)) throw badBody('outputs is not a list')
  const binary = new BinaryData(body.subarray(jsonLength))
  const tensors = inputs.map((input) => tensorOf(objectOf(input, 'an input'), binary))
  binary.checkEnd()
  return {
    id: id.toWellFormed(),
    parameters: parametersOf(parameters),
    inputs: tensors,
    outputs: outputs.map((output) => {
      const { name, parameters: own } = objectOf(output, 'an output')
      if (typeof name !== 'string') throw badBody('an output has no name')
      return { name, parameters: parametersOf(own) }
    }),
  }
}

export interface InferenceAnswer {
  readonly model: string
  readonly version: string
  readonly id: string
  readonly outputs: readonly InferenceOutput[]
}

/** An answer as a body. `headerLength` is the length of the JSON at its start; undefined if the whole body is JSON. */
export interface WrittenAnswer {
  readonly bytes: Buffer
  readonly headerLength: number | undefined
}

/**
 * Writes an answer. `isBinary` selects the outputs whose data follows the JSON as bytes. Throws WAGGLE_INFERENCE_OUTPUT for data that JSON cannot
 * represent.
 */
export function writeInference({ model, version, id, outputs }: InferenceAnswer, isBinary: (output: string) => boolean): WrittenAnswer {
  const parts: Buffer[] = []
  const shownOutputs = outputs.map((output) => {
    const { name, datatype, shape, contentType } = output
    const raw = isBinary(name) ? rawBytes(output) : null
    if (raw !== null) parts.push(raw)
    const parameters = {
      ...(contentType === null ? {} : { content_type: contentType }),
      ...(raw === null ? {} : { binary_data_size: raw.byteLength }),
    }
    const head = JSON.stringify({ name, datatype, shape, ...(Object.keys(parameters).length === 0 ? {} : { parameters }) })
    return raw === null ? `${head.slice(0, -1)},"data":${jsonList(output)}}` : head
  })
  const head = JSON.stringify({ model_name: model, model_version: version, id })
  const json = Buffer.from(`${head.slice(0, -1)},"outputs":[${shownOutputs.join(',')}]}`)
  return parts.length === 0 ? { bytes: json, headerLength: undefined } : { bytes: Buffer.concat([json, ...parts]), headerLength: json.byteLength }
}

/** The bytes after the JSON. Each input takes its bytes from the front. */
class BinaryData {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  take(length: number, name: unknown): Uint8Array {
    const end = this.#at + length
    if (end > this.#bytes.byteLength)
      throw wrongInput(`binary_data_size of ${shown(name)} is ${length}, and the body has ${this.#bytes.byteLength - this.#at} bytes left`)
    const part = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return part
  }

  checkEnd(): void {
    const left = this.#bytes.byteLength - this.#at
    if (left > 0) throw wrongInput(`the body has ${left} bytes that belong to no input`)
  }
}

function tensorOf({ name, datatype, shape, data, parameters }: { readonly [key: string]: unknown }, binary: BinaryData): InferenceTensor {
  const head = checkedHead({ name, datatype, shape, parameters: parametersOf(parameters) })
  const size = head.parameters.get('binary_data_size')
  if (head.parameters.has('shared_memory_region')) throw wrongInput(`the input ${shown(name)} is in shared memory, which is not supported`)
  if (size === undefined) return tensorOfValues(head, data)
  if (data !== undefined) throw wrongInput(`the input ${shown(name)} has both data and binary_data_size`)
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw wrongInput(`binary_data_size of ${shown(name)} is ${shown(size)}`)
  return tensorOfBytes(head, binary.take(size, name))
}

/** The parameters that are texts, numbers or booleans. Other parameters are ignored. */
function parametersOf(value: unknown): ReadonlyMap<string, InferenceParameter> {
  if (value === undefined || value === null) return new Map()
  const entries = Object.entries(objectOf(value, 'parameters'))
  if (entries.length > maxParameters) throw badBody(`there are more than ${maxParameters} parameters`)
  return new Map(
    entries.filter(
      (entry): entry is [string, InferenceParameter] => typeof entry[1] === 'string' || typeof entry[1] === 'number' || typeof entry[1] === 'boolean',
    ),
  )
}

function lengthOf(header: string, bodyLength: number): number {
  const length = /^\d{1,15}$/.test(header) ? Number(header) : Number.NaN
  if (length <= bodyLength) return length
  throw new ProblemError(
    'WAGGLE_BAD_HEADER',
    `Inference-Header-Content-Length is a number of at most the ${bodyLength} bytes of the body, not ${shown(header)}`,
  )
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return edgeJson(bytes)
  } catch (thrown) {
    throw badBody(saidBy(thrown))
  }
}

function objectOf(value: unknown, what: string): { readonly [key: string]: unknown } {
  if (isFields(value)) return value
  throw badBody(`${what} is not a JSON object`)
}

function badBody(why: string): ProblemError {
  return new ProblemError('WAGGLE_BAD_BODY', `The body is not an inference request: ${why}`)
}

const maxIdLength = 1000
const maxParameters = 100
