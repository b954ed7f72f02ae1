import type { Datatype, Payload, Tensor } from '../../../topology/swarm/payload/payload.ts'
import { contentTypeOf } from '../../../topology/swarm/payload/payload-serde.ts'
import { ProblemError } from '../http/problem.ts'
import { bytesOf } from '../http/request-state.ts'
import { type InferenceParameter, shown } from './inference-tensor.ts'

/** An output of an answer. */
export interface InferenceOutput {
  readonly name: string
  readonly datatype: Datatype | 'BYTES'
  readonly shape: readonly number[]
  /** The content type of the element, for an answer that is not tensors. */
  readonly contentType: string | null
  /** The elements; for BYTES, a list with one element. */
  readonly data: Tensor['data'] | readonly [Uint8Array]
}

/** The name of the output for an answer that is not tensors, and of the input for a payload that is not tensors. */
export const elementNames = { input: 'input', output: 'output' } as const

/** An output that the caller asks for. */
export interface RequestedOutput {
  readonly name: string
  readonly parameters: ReadonlyMap<string, InferenceParameter>
}

/**
 * The outputs of an answer: its tensors, or one output of BYTES with the whole answer, as the route `request` would return it. If the caller names
 * outputs, only these are returned, in the caller's order. Throws WAGGLE_INFERENCE_OUTPUT for an output that the answer does not have.
 */
export function outputsOf(answer: Payload, requested: readonly RequestedOutput[]): readonly InferenceOutput[] {
  const all =
    answer.kind === 'tensors'
      ? Object.entries(answer.tensors).map(([name, tensor]) => ({ name, ...tensor, contentType: null }))
      : [{ name: elementNames.output, datatype: 'BYTES', shape: [1], contentType: contentTypeOf(answer), data: [bytesOf(answer)] } as const]
  if (requested.length === 0) return all
  return requested.map(({ name }) => {
    const output = all.find((one) => one.name === name)
    if (output !== undefined) return output
    throw wrongOutput(`the answer has no output ${shown(name)}; it has ${all.map((one) => one.name).join(', ')}`)
  })
}

/** Refuses parameters of requested outputs that Waggle does not support. Throws WAGGLE_INFERENCE_OUTPUT. */
export function checkRequested(requested: readonly RequestedOutput[]): void {
  if (requested.length > maxOutputs) throw wrongOutput(`more than ${maxOutputs} outputs are asked for`)
  if (new Set(requested.map(({ name }) => name)).size !== requested.length) throw wrongOutput('an output is asked for twice')
  for (const { name, parameters } of requested) {
    const unknown = ['classification', 'shared_memory_region'].find((key) => parameters.has(key))
    if (unknown !== undefined) throw wrongOutput(`${unknown} of ${shown(name)} is not supported`)
  }
}

/** The elements as little-endian bytes, in the format of the binary tensor extension and of `raw_output_contents`. */
export function rawBytes({ data }: InferenceOutput): Buffer {
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)
  const [element] = data
  const bytes = Buffer.allocUnsafe(4 + element.byteLength)
  bytes.writeUInt32LE(element.byteLength)
  bytes.set(element, 4)
  return bytes
}

/** The elements as the text of a JSON list. Throws WAGGLE_INFERENCE_OUTPUT for elements that JSON cannot represent. */
export function jsonList({ name, datatype, data }: InferenceOutput): string {
  if (!ArrayBuffer.isView(data)) return JSON.stringify(data.map((element) => textOf(name, element)))
  if (datatype === 'BOOL') return `[${Array.from(data as Uint8Array, (byte) => byte !== 0).join(',')}]`
  const values = Array.from<number | bigint>(data as Iterable<number | bigint>)
  if (values.some((value) => typeof value === 'number' && !Number.isFinite(value)))
    throw wrongOutput(`the output ${shown(name)} holds NaN or infinite numbers: ask for it with binary_data`)
  // Integers in JSON may have any number of digits, so 64-bit integers are exact here.
  return `[${values.map((value) => (Object.is(value, -0) ? '-0' : String(value))).join(',')}]`
}

function textOf(name: string, element: Uint8Array): string {
  try {
    return utf8.decode(element)
  } catch {
    throw wrongOutput(`the output ${shown(name)} is not UTF-8: ask for it with binary_data`)
  }
}

function wrongOutput(why: string): ProblemError {
  return new ProblemError('WAGGLE_INFERENCE_OUTPUT', `The outputs cannot be given: ${why}`)
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const maxOutputs = 1000
