import { quotedName, quotedText } from './swarm-draft.ts'

/**
 * The form in which a bee's result has its tensors. `fields`: a JSON object with a field for each tensor. `inputs` and `outputs`: the body of a request
 * to a model server, and the body of its answer (Open Inference Protocol v2).
 */
export type TensorForm = 'fields' | 'inputs' | 'outputs'

export interface TensorSource {
  readonly form: TensorForm
  /** The bee whose result has the tensor, as a member of a join; null if the expression reads only the result of that bee. */
  readonly bee: string | null
  readonly tensor: string
  /** The type and the shape of a field. Undefined if they are unknown. */
  readonly type?: FieldType
}

export interface FieldType {
  readonly datatype: string
  /** The dimensions without the batch. A negative number is a free dimension. */
  readonly dims: readonly number[]
  /** True if the server wants a dimension for the batch in front. */
  readonly isBatched: boolean
}

/** The expression for the data of a tensor. */
export function dataOf({ form, bee, tensor }: TensorSource): string {
  const from = bee === null ? '' : `${quotedName(bee)}.`
  return form === 'fields' ? `${from}${quotedName(tensor)}` : `(${from}${form}[?name==${quotedText(tensor)}].data | [0])`
}

/** The expression for a tensor as an input of a model server, under a new name. */
export function inferenceInput(source: TensorSource, name: string): string {
  const { form, bee, tensor, type } = source
  if (form !== 'fields') {
    const from = bee === null ? '' : `${quotedName(bee)}.`
    return `(${from}${form}[?name==${quotedText(tensor)}]${renamedTo(name)} | [0])`
  }
  const data = dataOf(source)
  const { datatype, dims, isBatched } = type ?? unknownType
  const sizes = dims.map((size, at) => (size >= 0 ? `\`${size}\`` : `length(${data}${'[0]'.repeat(at)})`))
  const shape = [...(isBatched ? ['`1`'] : []), ...sizes].join(', ')
  return `{name: ${quotedText(name)}, datatype: ${quotedText(datatype)}, shape: [${shape}], data: ${isBatched ? `[${data}]` : data}}`
}

/** The expression for the list of the tensors of a whole result, or of one tensor of it under a name. */
export function tensorList({ form, bee, tensor }: WholeSource, name: string | null): string {
  const from = bee === null ? '' : `${quotedName(bee)}.`
  if (form === 'fields') {
    if (tensor !== null) return `[${inferenceInput({ form, bee, tensor }, name ?? tensor)}]`
    return `items(${bee === null ? '@' : quotedName(bee)})[*].{name: @[0], datatype: 'FP32', shape: [\`1\`, length(@[1])], data: @[1]}`
  }
  return tensor === null ? `${from}${form}` : `${from}${form}[?name==${quotedText(tensor)}]${renamedTo(name ?? tensor)}`
}

/** The expression for the fields of a whole result, or of one tensor of it under a name. */
export function fieldsObject({ form, bee, tensor }: WholeSource, name: string | null): string {
  if (tensor !== null) return `{${quotedName(name ?? tensor)}: ${dataOf({ form, bee, tensor })}}`
  if (form === 'fields') return bee === null ? '@' : quotedName(bee)
  return `from_items(${bee === null ? '' : `${quotedName(bee)}.`}${form}[*].[name, data])`
}

/** A result, or one of its tensors. */
export interface WholeSource {
  readonly form: TensorForm
  readonly bee: string | null
  /** Null for all tensors of the result. */
  readonly tensor: string | null
}

function renamedTo(name: string): string {
  return `.{name: ${quotedText(name)}, datatype: datatype, shape: shape, data: data}`
}

/** A list of numbers for a server that takes batches. */
const unknownType: FieldType = { datatype: 'FP32', dims: [-1], isBatched: true }
