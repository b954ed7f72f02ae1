import type { TensorData } from '../../topology/swarm/payload.ts'
import type { ModelDatatype, TensorSignature } from '../../topology/swarm/ports/models.ts'

/** A model library inside a model's thread. */
export interface ModelRuntime {
  readonly inputs: readonly TensorSignature[]
  /** Outputs of at most `maxOutputValues`, and the one that the bee needs. */
  readonly outputs: readonly TensorSignature[]
  /** Names of the classes, in the order of the scores, where the file has them. */
  readonly classes: readonly string[] | null
  readonly device: string
  /** Why this library runs the model; null where there is no choice. */
  readonly choice: string | null
  run(inputs: { readonly [name: string]: RunTensor }): Promise<{ readonly [name: string]: RunTensor }>
}

/** A tensor of one run, with the batch. FP16 is a Float32Array. */
export interface RunTensor {
  readonly datatype: ModelDatatype
  readonly shape: readonly number[]
  readonly data: TensorData | readonly string[]
}

/** Values a row in an output that no bee asks for by name. Larger ones are left out: a prediction is read by people and kept in a database. */
const maxOutputValues = 64

/** Values a row in the output that a bee needs. */
export const maxScores = 10_000

/** The outputs that a prediction holds: the small ones and the one that the bee needs. Where none is small, the first is needed. */
export function outputsToGive(outputs: readonly TensorSignature[], wanted: string | undefined): readonly TensorSignature[] {
  const given = outputs.filter(({ name, shape }) => valuesOf(shape) <= (name === wanted ? maxScores : maxOutputValues))
  return given.length > 0 ? given : outputs.filter(({ shape }) => valuesOf(shape) <= maxScores).slice(0, 1)
}

/** Values of one row, where a free dimension counts as one. */
function valuesOf(shape: readonly number[]): number {
  return shape.slice(1).reduce((product, size) => product * Math.max(1, size), 1)
}
