import type { ModelRow } from '../../topology/swarm/log-management.ts'
import type { ModelSignature, TensorSignature } from '../../topology/swarm/ports/models.ts'

/** One row of each input and output of a model, as text for people. */
export function shownSignature({ rows, outputRows }: ModelSignature): ModelRow['signature'] {
  return { inputs: rows.map(shownTensor), outputs: outputRows.map(shownTensor) }
}

function shownTensor({ name, datatype, shape }: TensorSignature): string {
  return `${name}: ${datatype}[${shape.map((size) => (size < 0 ? '?' : size)).join(',')}]`
}
