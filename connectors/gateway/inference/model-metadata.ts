import { ownPackage } from '../../../topology/own-package.ts'
import type { PayloadType } from '../../../topology/swarm/bee-type.ts'
import { type EdgeTypes, type InferenceModel, tensorsOf } from '../../../topology/swarm/inference-models.ts'
import { elementNames } from './inference-output.ts'

export interface TensorMetadata {
  readonly name: string
  readonly datatype: string
  /** The shape; -1 stands for a free dimension. */
  readonly shape: readonly number[]
}

export interface ModelMetadata {
  readonly name: string
  readonly versions: readonly string[]
  readonly platform: string
  readonly inputs: readonly TensorMetadata[]
  readonly outputs: readonly TensorMetadata[]
}

export const serverMetadata = { name: 'waggle', version: ownPackage.version, extensions: ['binary_tensor_data'] } as const

/** The metadata of a model, under the name that the caller has used for it. */
export async function metadataOf(name: string, model: InferenceModel): Promise<ModelMetadata> {
  const { input, output }: EdgeTypes = await model.types()
  return {
    name,
    versions: [model.version],
    platform: 'waggle_swarm',
    inputs: tensorMetadata(input, elementNames.input),
    outputs: tensorMetadata(output, elementNames.output),
  }
}

/** The tensors of a payload type. A type that is not tensors becomes one element of BYTES: JSON, a picture or any bytes. */
function tensorMetadata(type: PayloadType | null, elementName: string): readonly TensorMetadata[] {
  const tensors = tensorsOf(type)
  if (tensors === null) return [{ name: elementName, datatype: 'BYTES', shape: [1] }]
  return Object.entries(tensors).map(([name, { dtype, shape }]) => ({ name, datatype: dtype, shape }))
}
