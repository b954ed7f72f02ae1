import type { ModelSignature } from '../../topology/swarm/ports/models.ts'

/** A model library inside a model's thread. */
export interface ModelRuntime {
  readonly signature: ModelSignature
  readonly device: string
  /** Runs rows. `input` holds the rows of the first input. The result has the outputs of at most `maxOutputValues`, each with all rows in one array. */
  run(input: Float32Array, shape: readonly number[]): Promise<{ readonly [name: string]: Float32Array }>
}

/** The most values a row in an output. Larger outputs are left out. */
export const maxOutputValues = 64
