import { maxInputs } from '../inference/inference-input.ts'
import { type InferenceOutput, type RequestedOutput, rawBytes } from '../inference/inference-output.ts'
import {
  checkedHead,
  type InferenceDatatype,
  type InferenceParameter,
  type InferenceTensor,
  shown,
  tensorOfBytes,
  tensorOfValues,
  wrongInput,
} from '../inference/inference-tensor.ts'

/** A 64-bit number as protobufjs returns it. `String(number)` gives all digits. */
type Integer64 = number | { toString(): string }

/** The messages of protos/inference.proto, as protobufjs decodes them. */
export interface ModelInferRequest {
  readonly model_name: string
  readonly model_version: string
  readonly id: string
  readonly parameters: RawParameters
  readonly inputs: readonly {
    readonly name: string
    readonly datatype: string
    readonly shape: readonly Integer64[]
    readonly parameters: RawParameters
    readonly contents?: RawContents | null
  }[]
  readonly outputs: readonly { readonly name: string; readonly parameters: RawParameters }[]
  readonly raw_input_contents: readonly Uint8Array[]
}

interface RawParameters {
  /** `parameter_choice` is the name of the field that is set. */
  readonly [name: string]: { readonly parameter_choice?: string } & { readonly [field: string]: unknown }
}

interface RawContents {
  readonly [field: string]: readonly unknown[]
}

export interface InferRequest {
  readonly id: string
  readonly parameters: ReadonlyMap<string, InferenceParameter>
  readonly inputs: readonly InferenceTensor[]
  readonly outputs: readonly RequestedOutput[]
  /** True if the inputs arrived as raw contents. The outputs are then raw too. */
  readonly isRaw: boolean
}

/** Reads the tensors of a request. Throws WAGGLE_INFERENCE_INPUT. */
export function readInferRequest({ id, parameters, inputs, outputs, raw_input_contents: raw }: ModelInferRequest): InferRequest {
  if (inputs.length > maxInputs) throw wrongInput(`there are more than ${maxInputs}`)
  if (id.length > maxIdLength) throw wrongInput(`the id has more than ${maxIdLength} characters`)
  const isRaw = raw.length > 0
  if (isRaw && raw.length !== inputs.length) throw wrongInput(`there are ${inputs.length} inputs and ${raw.length} raw_input_contents`)
  return {
    id,
    parameters: parametersOf(parameters),
    inputs: inputs.map(({ contents, ...input }, at) => {
      const shape = input.shape.map((size) => Number(String(size)))
      const head = checkedHead({ ...input, shape, parameters: parametersOf(input.parameters) })
      if (head.parameters.has('shared_memory_region')) throw wrongInput(`the input ${shown(head.name)} is in shared memory, which is not supported`)
      const values = valuesIn(contents ?? {}, head.datatype)
      if (!isRaw) return tensorOfValues(head, values)
      if (values.length > 0) throw wrongInput(`the input ${shown(head.name)} has both contents and raw contents`)
      return tensorOfBytes(head, raw[at] ?? new Uint8Array(0))
    }),
    outputs: outputs.map(({ name, parameters: own }) => ({ name, parameters: parametersOf(own) })),
    isRaw,
  }
}

export interface InferAnswer {
  readonly model: string
  readonly version: string
  readonly id: string
  readonly outputs: readonly InferenceOutput[]
}

/** Makes a ModelInferResponse for protobufjs. */
export function writeInferResponse({ model, version, id, outputs }: InferAnswer, isRaw: boolean): object {
  return {
    model_name: model,
    model_version: version,
    id,
    outputs: outputs.map(({ name, datatype, shape, contentType, data }) => ({
      name,
      datatype,
      shape,
      parameters: contentType === null ? {} : { content_type: { string_param: contentType } },
      ...(isRaw ? {} : { contents: { [contentsField[datatype]]: contentsOf(datatype, data) } }),
    })),
    raw_output_contents: isRaw ? outputs.map(rawBytes) : [],
  }
}

const contentsField: { readonly [datatype in InferenceDatatype]: string } = {
  BOOL: 'bool_contents',
  UINT8: 'uint_contents',
  UINT16: 'uint_contents',
  UINT32: 'uint_contents',
  UINT64: 'uint64_contents',
  INT8: 'int_contents',
  INT16: 'int_contents',
  INT32: 'int_contents',
  INT64: 'int64_contents',
  FP16: 'fp32_contents',
  BF16: 'fp32_contents',
  FP32: 'fp32_contents',
  FP64: 'fp64_contents',
  BYTES: 'bytes_contents',
}

function valuesIn(contents: RawContents, datatype: InferenceDatatype): readonly unknown[] {
  const values = contents[contentsField[datatype]] ?? []
  // protobufjs returns 64-bit numbers as objects. Their digits are exact.
  return datatype === 'INT64' || datatype === 'UINT64' ? values.map((value) => String(value)) : values
}

/** The values for protobufjs, which accepts a 64-bit number as the text of its digits. */
function contentsOf(datatype: InferenceDatatype, data: InferenceOutput['data']): readonly unknown[] {
  if (!ArrayBuffer.isView(data)) return data
  if (datatype === 'BOOL') return Array.from(data as Uint8Array, (byte) => byte !== 0)
  return Array.from<number | bigint, number | string>(data as Iterable<number | bigint>, (value) =>
    typeof value === 'bigint' ? String(value) : value,
  )
}

function parametersOf(parameters: RawParameters): ReadonlyMap<string, InferenceParameter> {
  const entries = Object.entries(parameters)
  if (entries.length > maxParameters) throw wrongInput(`there are more than ${maxParameters} parameters`)
  return new Map(
    entries.flatMap(([name, parameter]) => {
      const value = parameter.parameter_choice === undefined ? undefined : parameter[parameter.parameter_choice]
      if (value === undefined) return []
      return [[name, typeof value === 'object' ? Number(String(value)) : (value as InferenceParameter)] as const]
    }),
  )
}

export const maxIdLength = 1000
const maxParameters = 100
