import type { PayloadType } from '../../topology/swarm/bee-type.ts'
import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import type { Tensor } from '../../topology/swarm/payload/payload.ts'
import { bytesOf, tensorData } from '../../topology/swarm/payload/tensor-codec.ts'
import type { ModelRow, ModelSignature, RowTensor, TensorSignature } from '../../topology/swarm/ports/models.ts'
import { Refused } from '../../topology/waggle-error.ts'
import type { TensorsInput } from '../define-bee.ts'
import { rowTensorOfJson } from './model-json.ts'

/**
 * One row of a model's input. The row is a picture ({ tensors: { image } }, UINT8 [height, width, 3]), tensors by name, or a JSON object by name. For
 * a model with one input, the row may also be the values alone. Throws `Refused` for a value that does not fit, with the name, type and shape of the
 * input and the received value.
 */
export function modelRowOf(input: unknown, signature: ModelSignature): ModelRow {
  const row = isTensors(input) ? rowOfTensors(input, signature) : ({ kind: 'tensors', tensors: rowOfJson(input, signature) } as const)
  if (row.kind === 'tensors') refuseUnequal(row.tensors, signature)
  return row
}

/** The text for an input in messages, such as `age (INT64 [1])`. */
export function shownInput({ name, datatype, shape }: TensorSignature): string {
  return `${name} (${datatype === 'BYTES' ? 'strings' : datatype} [${shape.join(', ')}])`
}

/** The text for all inputs in messages. */
export function shownInputs({ rows, takesPictures }: ModelSignature): string {
  return `${rows.map(shownInput).join(', ')}${takesPictures ? ', or a picture' : ''}`
}

/** A row of zeros; null for a model that takes strings. A free dimension has one item. */
export function zeroRow({ rows }: ModelSignature): ModelRow | null {
  const tensors: RowTensor[] = []
  for (const { datatype, shape } of rows) {
    if (datatype === 'BYTES') return null
    const own = shape.map((size) => Math.max(1, size))
    const data = datatype === 'FP16' ? 'FP32' : datatype
    const bytes = own.reduce((product, size) => product * size, bytesOf(data))
    tensors.push({ shape: own, data: tensorData(data, new ArrayBuffer(bytes), 0, bytes) })
  }
  return { kind: 'tensors', tensors }
}

/** A request body that the model accepts. It consists of zeros, by name if there are several inputs. A free dimension has one item. */
export function exampleOf({ rows }: ModelSignature): unknown {
  const values = rows.map(({ name, datatype, shape }) => [name, filled(shape, datatype === 'BYTES' ? '' : datatype === 'BOOL' ? false : 0)] as const)
  return values.length === 1 ? values[0]?.[1] : Object.fromEntries(values)
}

/** The type of one row: a tensor for each input, by name. */
export function rowType({ rows }: ModelSignature): PayloadType {
  return { tensors: Object.fromEntries(rows.map(({ name, datatype, shape }) => [name, { dtype: datatype, shape }])) }
}

/** Nested lists of this shape. */
function filled([size, ...inner]: readonly number[], value: unknown): unknown {
  return size === undefined ? value : Array.from({ length: Math.max(1, size) }, () => filled(inner, value))
}

function rowOfTensors({ tensors }: TensorsInput, signature: ModelSignature): ModelRow {
  const given = Object.entries(tensors)
  const picture = signature.takesPictures ? given.find(([, tensor]) => isPicture(tensor)) : undefined
  if (picture !== undefined) return pictureRow(picture[1])
  const [only, another] = signature.rows
  const [first, second] = given
  // A model of one input accepts a single tensor of any name.
  if (only !== undefined && another === undefined && first !== undefined && second === undefined)
    return { kind: 'tensors', tensors: [rowTensor(first[1], only, signature)] }
  return { kind: 'tensors', tensors: byName(tensors, signature).map(([tensor, row]) => rowTensor(tensor, row, signature)) }
}

function rowTensor({ datatype, shape, data }: Tensor, row: TensorSignature, signature: ModelSignature): RowTensor {
  // Programs that use numpy often add a batch dimension of size 1 in front.
  const own = shape.length === row.shape.length + 1 && shape[0] === 1 ? shape.slice(1) : shape
  const fits = own.length === row.shape.length && own.every((size, at) => size > 0 && (row.shape[at] === -1 || row.shape[at] === size))
  const isWhole = own.reduce((product, size) => product * size, 1) === data.length
  if (datatype === row.datatype && fits && isWhole) return { shape: own, data }
  throw new Refused(
    `The model takes ${shownInput(row)}${signature.takesPictures ? ', or a picture' : ''}; a tensor of ${datatype} [${shape.join(', ')}] came`,
  )
}

function rowOfJson(input: unknown, signature: ModelSignature): readonly RowTensor[] {
  if (input instanceof Uint8Array)
    throw new Refused(
      `The model takes ${shownInputs(signature)}; bytes came: send JSON (content-type: application/json) or tensors (application/vnd.waggle.tensors)`,
    )
  if (input !== null && typeof input === 'object' && !Array.isArray(input)) {
    const values = input as { readonly [name: string]: unknown }
    return byName(values, signature).map(([value, row]) => rowTensorOfJson(value, row))
  }
  const [only, another] = signature.rows
  if (only !== undefined && another === undefined) return [rowTensorOfJson(input, only, signature.takesPictures ? ', or a picture' : '')]
  throw new Refused(`The model takes ${shownInputs(signature)}: send an object with a value for each name`)
}

/** Pairs of a value and the input with its name, in the order of the inputs. Throws `Refused` if a name is missing or unknown. */
function byName<T>(values: { readonly [name: string]: T }, signature: ModelSignature): readonly (readonly [T, TensorSignature])[] {
  const names = new Set(signature.rows.map(({ name }) => name))
  const given = Object.keys(values)
  const unknown = given.find((name) => !names.has(name))
  if (unknown !== undefined) {
    const hint = didYouMean(unknown, names)
    throw new Refused(`The model has no input ${clippedName(unknown)}${hint === '' ? '' : ` (${hint})`}: it takes ${shownInputs(signature)}`)
  }
  return signature.rows.map((row) => {
    const value = Object.hasOwn(values, row.name) ? values[row.name] : undefined
    if (value !== undefined) return [value, row]
    throw new Refused(`The input ${shownInput(row)} is missing: ${given.length === 0 ? 'none came' : `${given.join(', ')} came`}`)
  })
}

/**
 * Refuses inputs whose free dimensions have the same name and different sizes. For example, `input_ids` and `attention_mask` must be equally long.
 */
function refuseUnequal(tensors: readonly RowTensor[], { rows }: ModelSignature): void {
  if (rows.every(({ shape }) => !shape.includes(-1))) return
  const sizes = new Map<string, { readonly size: number; readonly row: TensorSignature }>()
  rows.forEach((row, at) => {
    row.dimensions.forEach((dimension, axis) => {
      const size = tensors[at]?.shape[axis] ?? 0
      const known = sizes.get(dimension)
      if (dimension === '' || row.shape[axis] !== -1) return
      if (known === undefined) sizes.set(dimension, { size, row })
      else if (known.size !== size)
        throw new Refused(
          `The inputs ${shownInput(known.row)} and ${shownInput(row)} share the dimension ${dimension}; ${known.size} and ${size} came`,
        )
    })
  })
}

function isPicture({ datatype, shape, data }: Tensor): boolean {
  return datatype === 'UINT8' && shape.length === 3 && shape[2] === 3 && data instanceof Uint8Array
}

function pictureRow({ data, shape: [height = 0, width = 0] }: Tensor): ModelRow {
  if (Math.min(height, width) < 1 || Math.max(height, width) > maxPictureSide)
    throw new Refused(`The picture has ${height} × ${width} pixels; each side may have 1 to ${maxPictureSide}`)
  if (data.length !== height * width * 3)
    throw new Refused(`The picture of ${height} × ${width} pixels has ${data.length} bytes, where ${height * width * 3} are needed`)
  return { kind: 'picture', height, width, pixels: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }
}

function isTensors(input: unknown): input is TensorsInput {
  return (
    input !== null &&
    typeof input === 'object' &&
    'tensors' in input &&
    input.tensors !== null &&
    typeof input.tensors === 'object' &&
    Object.values(input.tensors).every(
      (tensor: unknown) => tensor !== null && typeof tensor === 'object' && 'data' in tensor && ArrayBuffer.isView(tensor.data),
    )
  )
}

function clippedName(name: string): string {
  return JSON.stringify(name.slice(0, 40))
}

/** The longest side of a picture. The resampler's memory grows with each side, not only with the number of pixels. */
const maxPictureSide = 8192
