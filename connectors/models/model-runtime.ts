import type { ModelSignature } from '../../topology/swarm/ports/models.ts'

/** A model library inside a model's thread. */
export interface ModelRuntime {
  readonly signature: ModelSignature
  readonly device: string
  /** `input` holds `rows` rows of the first input; gives each output that is small enough, all rows in one array. */
  run(input: Float32Array, shape: readonly number[]): Promise<{ readonly [name: string]: Float32Array }>
}

/** Outputs of more values a row stay in the model: nobody who asks for a prediction wants a thousand classes. */
export const maxOutputValues = 64
