import type { PayloadType } from '../bee-type.ts'
import { schemaMisfit } from './schema-fit.ts'

/**
 * The reason why one bee's output cannot be another bee's input, as the end of a sentence. Null if the output fits, or if the types do not show it.
 */
export function misfit(given: PayloadType, taken: PayloadType): string | null {
  const [from, to] = [tensorsOf(given), tensorsOf(taken)]
  if (from !== null && isAnyTensors(taken)) return null
  if (to !== null && isAnyTensors(given)) return null
  if (from === null && to === null) return schemaMisfit(given, taken)
  if (from === null) return typeNameOf(given) === 'object' && !maySupply(given) ? 'gives a JSON object, where tensors are taken' : null
  if (to === null)
    return typeNameOf(taken) === null
      ? null
      : `gives tensors, where ${typeNameOf(taken) === 'bytes' ? 'bytes are' : `JSON (${typeNameOf(taken)}) is`} taken`
  for (const [name, wanted] of Object.entries(to)) {
    const tensor = from[name]
    if (tensor === undefined) return `gives no tensor ${name} (it gives ${Object.keys(from).join(', ')})`
    if (tensor.dtype !== wanted.dtype) return `gives ${name} as ${tensor.dtype}, where ${wanted.dtype} is taken`
    const fits =
      tensor.shape.length === wanted.shape.length &&
      tensor.shape.every((size, at) => size === wanted.shape[at] || size === -1 || wanted.shape[at] === -1)
    if (!fits) return `gives ${name} of shape [${tensor.shape.join(', ')}], where [${wanted.shape.join(', ')}] is taken`
  }
  return null
}

/** True for tensors of any name, dtype and shape. */
function isAnyTensors(type: PayloadType): boolean {
  return typeNameOf(type) === 'tensors'
}

/** True for an object whose members may each be a tensor. A model of several inputs takes its values by name. */
function maySupply(given: PayloadType): boolean {
  const { properties } = given as { readonly properties?: { readonly [name: string]: { readonly type?: unknown } } }
  const members = Object.values(properties ?? {})
  return members.length > 0 && members.every(({ type }) => type !== 'object')
}

interface TensorType {
  readonly dtype: string
  readonly shape: readonly number[]
}

function tensorsOf(type: PayloadType): { readonly [name: string]: TensorType } | null {
  return 'tensors' in type ? (type.tensors as { readonly [name: string]: TensorType }) : null
}

function typeNameOf(type: PayloadType): string | null {
  return 'type' in type && typeof type.type === 'string' ? type.type : null
}
