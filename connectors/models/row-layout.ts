import type { TensorSignature } from '../../topology/swarm/ports/models.ts'

/** The shapes of a model's inputs and outputs. They decide how rows are packed into runs. */
export interface RowLayout {
  readonly inputs: readonly RowInput[]
  readonly outputs: readonly TensorSignature[]
  /** The number of rows in a run; null for any number. */
  readonly rowsPerRun: number | null
}

/** One row of an input. `isBatched`: the model's own shape begins with the batch dimension. */
export interface RowInput extends TensorSignature {
  readonly isBatched: boolean
}

/**
 * Finds the batch dimension in a model's shapes. If all inputs and outputs begin with a free dimension, that dimension is the batch. If all begin
 * with the same size, a run takes that many rows. Any other model runs one row at a time, because an output may belong to the whole batch, or an
 * input may have no batch.
 */
export function rowLayoutOf(inputs: readonly TensorSignature[], outputs: readonly TensorSignature[]): RowLayout {
  const firsts = [...inputs, ...outputs].map(({ shape }) => shape[0])
  const first = firsts[0]
  const isSame = first !== undefined && firsts.every((size) => size === first)
  const isBatch = isSame && (first === -1 || (first > 1 && inputs.every(({ shape }) => shape.length > 1)))
  if (isBatch) return { inputs: inputs.map(batched), outputs: outputs.map(withoutBatch), rowsPerRun: first === -1 ? null : first }
  const hasNoBatch = outputs.every(({ shape }) => (shape[0] ?? 0) > 1)
  return {
    inputs: inputs.map((input) => (beginsWithBatch(input, hasNoBatch) ? batched(input) : { ...input, isBatched: false })),
    outputs: outputs.map((output) => (Math.abs(output.shape[0] ?? 0) === 1 ? withoutBatch(output) : output)),
    rowsPerRun: 1,
  }
}

/**
 * True if the shape begins with the batch dimension. In a model that runs one row at a time, a vector of free length is one row, so its dimension is
 * not a batch.
 */
function beginsWithBatch({ shape }: TensorSignature, hasNoBatch: boolean): boolean {
  return shape[0] === 1 || (shape[0] === -1 && shape.length > 1 && !hasNoBatch)
}

function batched(input: TensorSignature): RowInput {
  return { ...withoutBatch(input), isBatched: true }
}

function withoutBatch(tensor: TensorSignature): TensorSignature {
  return { ...tensor, shape: tensor.shape.slice(1), dimensions: tensor.dimensions.slice(1) }
}
