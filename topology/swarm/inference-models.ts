import type { PayloadType } from './bee-type.ts'

/** The swarms of this process as models of the Open Inference Protocol. */
export interface InferenceModels {
  /**
   * Finds a model by its name. The name is that of a gateway, or that of a swarm with one gateway. Throws WAGGLE_INFERENCE_MODEL if there is no such
   * model, or if another version of it runs. An empty version stands for the version that runs.
   */
  find(name: string, version: string): InferenceModel
}

export interface InferenceModel {
  readonly swarm: string
  /** The gateway that takes the model's requests. */
  readonly gateway: string
  /** The version of the swarm that runs. A swarm of a file has the version 1. */
  readonly version: string
  /** The types at the edges of the swarm: the input of the bees behind the gateway, and the answer. */
  types(): Promise<EdgeTypes>
}

export interface EdgeTypes {
  /** The type of the input; null if no bee behind the gateway declares what it takes. */
  readonly input: PayloadType | null
  /** The type of the answer; null if the bee that makes it declares none. */
  readonly output: PayloadType | null
}

/** The tensors of a type by name; null for a type that names no tensors. */
export function tensorsOf(
  type: PayloadType | null,
): { readonly [name: string]: { readonly dtype: string; readonly shape: readonly number[] } } | null {
  if (type === null || !('tensors' in type)) return null
  const tensors = type.tensors as { readonly [name: string]: { readonly dtype: string; readonly shape: readonly number[] } }
  return Object.keys(tensors).length === 0 ? null : tensors
}
