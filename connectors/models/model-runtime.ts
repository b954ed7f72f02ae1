import type { TensorData } from '../../topology/swarm/payload/payload.ts'
import type { ModelDatatype, ModelLabels, TensorSignature } from '../../topology/swarm/ports/models.ts'

/** A library that runs models, with one model open, as the model's thread uses it. */
export interface ModelRuntime {
  readonly inputs: readonly TensorSignature[]
  /** The outputs with at most `maxOutputValues` values a row, and the output that the bee needs. */
  readonly outputs: readonly TensorSignature[]
  /** Names of the classes in the order of the scores; null if the file does not contain them. */
  readonly classes: readonly string[] | null
  /** Labels in the file itself or in its folder. Throws WAGGLE_MODEL_INVALID if they cannot be read. */
  ownLabels(): ModelLabels | null
  readonly device: string
  /** The reason why this library runs the model and not another library; null if only one library could run it. */
  readonly choice: string | null
  run(inputs: { readonly [name: string]: RunTensor }): Promise<{ readonly [name: string]: RunTensor }>
}

/** The part of the machine that a model may use. */
export interface ModelHardware {
  readonly gpu: number
  /** The number of threads that compute one run together. */
  readonly threads: number
}

/** A tensor of one run, with the batch dimension. FP16 values are in a Float32Array. */
export interface RunTensor {
  readonly datatype: ModelDatatype
  readonly shape: readonly number[]
  readonly data: TensorData | readonly string[]
}

/** The limit of values per row, for an output that no bee asks for. People read predictions and a database stores them, so larger outputs are left out. */
const maxOutputValues = 64

/** The limit of values per row, for the output that a bee needs. */
export const maxNeededOutputValues = 10_000

/**
 * The outputs of a prediction: all small outputs, and the output that the bee needs. If there is no such output, the first output with at most
 * `maxNeededOutputValues` values.
 */
export function outputsToGive(outputs: readonly TensorSignature[], wanted: string | undefined): readonly TensorSignature[] {
  const given = outputs.filter(({ name, shape }) => valuesOf(shape) <= (name === wanted ? maxNeededOutputValues : maxOutputValues))
  return given.length > 0 ? given : outputs.filter(({ shape }) => valuesOf(shape) <= maxNeededOutputValues).slice(0, 1)
}

/** The number of values in one row. A free dimension counts as 1. */
function valuesOf(shape: readonly number[]): number {
  return shape.slice(1).reduce((product, size) => product * Math.max(1, size), 1)
}
