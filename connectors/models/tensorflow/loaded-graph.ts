import type { RunTensor } from '../model-runtime.ts'

export interface Tensors {
  readonly [name: string]: RunTensor
}

export interface LoadedGraph {
  readonly device: string
  /** The reason why no GPU is used although the bee asks for a GPU; null if there is no such reason. */
  readonly warning: string | null
  /** Runs the graph. `inputs` and the result use the names of the graph's inputs and outputs. */
  run(inputs: Tensors, outputs: readonly string[]): Promise<Tensors>
}
