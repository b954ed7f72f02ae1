import { join } from 'node:path'
import { ownMember } from '../../../topology/own-member.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { type FlatNode, inlinedGraph } from './function-inliner.ts'
import { decoded, type RawMetaGraph, type RawSignature, type RawTensor, type RawTensorInfo, sizesOf } from './graph-schema.ts'
import { invalidModel, unsupportedModel } from './invalid-model.ts'
import { readRegularFile } from './regular-file.ts'
import { nodeOf, type ServedGraph, servedGraph } from './served-graph.ts'
import { TensorBundle } from './tensor-bundle.ts'
import { maxModelBytes } from './tensor-size.ts'
import { frozenNode, restoredKeys } from './variables.ts'

/**
 * Reads a folder that TensorFlow or Keras saved: the graph of one signature, with its variables' values as constants. Throws WAGGLE_MODEL_INVALID,
 * WAGGLE_MODEL_NOT_FOUND or WAGGLE_MODEL_SHAPE.
 */
export function readSavedModel(folder: string, signatureName: string | undefined): ServedGraph {
  const path = join(folder, 'saved_model.pb')
  const { graphDef, signatureDef } = metaGraphOf(path)
  if (graphDef == null) throw invalidModel(path, 'it holds no graph')
  const { inputs, outputs } = signatureOf(folder, signatureDef, signatureName ?? 'serving_default')
  const flat = inlinedGraph(path, graphDef)
  const keys = restoredKeys(flat)
  let bundle: TensorBundle | null = null
  const restored = (variable: FlatNode): RawTensor => {
    bundle ??= new TensorBundle(join(folder, 'variables', 'variables'), maxModelBytes)
    // If no function restores a variable, its value is stored under the variable's own name.
    const value = bundle.tensor(keys.get(variable.name) ?? (textOf(variable.attr.get('shared_name')?.s) || variable.name))
    const declared = variable.attr.get('dtype')?.type
    if (declared !== undefined && declared !== value.dtype)
      throw invalidModel(path, `the variable ${variable.name} has the data type number ${declared}, and its value ${value.dtype}`)
    return value
  }
  return servedGraph(folder, flat, {
    inputs: byName(inputs).map(([name, { name: reference, dtype, tensorShape }]) => ({
      name,
      node: nodeOf(reference),
      dtype,
      shape: sizesOf(tensorShape),
    })),
    outputs: byName(outputs).map(([name, { name: reference }]) => ({ name, reference: flat.resolve(reference) })),
    freeze: (node) => frozenNode(node, restored),
  })
}

function metaGraphOf(path: string): RawMetaGraph {
  let bytes: Buffer
  try {
    bytes = readRegularFile(path, maxModelBytes)
  } catch (cause) {
    if (cause instanceof RangeError) throw invalidModel(path, cause.message, { cause })
    throw new WaggleError('WAGGLE_MODEL_NOT_FOUND', { message: `There is no model at ${path}`, next: 'Correct the path.', cause })
  }
  try {
    const { metaGraphs } = decoded('SavedModel', bytes)
    const found = metaGraphs.find(({ metaInfoDef }) => metaInfoDef?.tags.includes('serve')) ?? (metaGraphs.length === 1 ? metaGraphs[0] : undefined)
    if (found !== undefined) return found
  } catch (cause) {
    throw invalidModel(path, cause instanceof Error ? cause.message : String(cause), { cause })
  }
  throw invalidModel(path, 'it has no graph with the tag serve')
}

function signatureOf(folder: string, signatures: RawMetaGraph['signatureDef'], wanted: string): RawSignature {
  const found = ownMember(signatures, wanted)
  if (found !== undefined && Object.keys(found.outputs).length > 0) return found
  const names = Object.entries(signatures).flatMap(([name, { outputs }]) => (Object.keys(outputs).length > 0 && !name.startsWith('__') ? [name] : []))
  throw unsupportedModel(
    folder,
    names.length === 0 ? 'has no signature' : `has no signature ${wanted}: it has ${names.join(', ')}`,
    names.length === 0 ? 'Save the model with its signatures, as model.export of Keras does.' : `Set signature to one of: ${names.join(', ')}.`,
  )
}

/** The tensors of a signature, sorted by name, because their order in the file may change each time that the model is saved. */
function byName(tensors: RawSignature['inputs']): readonly (readonly [string, RawTensorInfo])[] {
  return Object.entries(tensors).toSorted(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
}

function textOf(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString()
}
