import type { PayloadType } from '../../topology/swarm/bee-type.ts'
import type { ModelSignature, TensorSignature } from '../../topology/swarm/ports/models.ts'
import { shownInput, shownInputs } from './model-input.ts'

/**
 * The reason why an output of this type cannot be a model's input, as the end of a sentence. Null if the output fits, or if the type says too little
 * to decide.
 */
export function modelMisfit(given: PayloadType, signature: ModelSignature): string | null {
  if ('tensors' in given) return tensorsMisfit(given.tensors as TensorTypes, signature)
  const { type, properties } = given as { readonly type?: unknown; readonly properties?: { readonly [name: string]: unknown } }
  if (type === 'object' && properties !== undefined) return namesMisfit(Object.keys(properties), signature)
  if (type === 'array' && signature.rows.length > 1) return `gives a list, where an object of ${shownInputs(signature)} is taken`
  return null
}

interface TensorTypes {
  readonly [name: string]: { readonly dtype: string; readonly shape: readonly number[] }
}

function tensorsMisfit(tensors: TensorTypes, signature: ModelSignature): string | null {
  const given = Object.entries(tensors)
  const isPicture = given.some(([, { dtype, shape }]) => dtype === 'UINT8' && shape.length === 3 && (shape[2] === 3 || shape[2] === -1))
  if (given.length === 0 || (isPicture && signature.takesPictures)) return null
  const [only, another] = signature.rows
  const [first, second] = given
  if (only !== undefined && another === undefined && first !== undefined && second === undefined) return tensorMisfit(first, only)
  const wrong = namesMisfit(Object.keys(tensors), signature)
  if (wrong !== null) return wrong
  for (const row of signature.rows) {
    const tensor = given.find(([name]) => name === row.name)
    const misfit = tensor === undefined ? null : tensorMisfit(tensor, row)
    if (misfit !== null) return misfit
  }
  return null
}

function tensorMisfit([name, { dtype, shape }]: readonly [string, TensorTypes[string]], row: TensorSignature): string | null {
  const own = shape.length === row.shape.length + 1 && (shape[0] === 1 || shape[0] === -1) ? shape.slice(1) : shape
  const fits = own.length === row.shape.length && own.every((size, at) => size === -1 || row.shape[at] === -1 || size === row.shape[at])
  return dtype === row.datatype && fits ? null : `gives ${name} as ${dtype} [${shape.join(', ')}], where ${shownInput(row)} is taken`
}

function namesMisfit(given: readonly string[], { rows }: ModelSignature): string | null {
  const missing = rows.find(({ name }) => !given.includes(name))
  if (missing !== undefined) return `gives no ${shownInput(missing)} (it gives ${given.join(', ')})`
  const unknown = given.find((name) => !rows.some((row) => row.name === name))
  return unknown === undefined ? null : `gives ${unknown}, which is not an input of the model`
}
