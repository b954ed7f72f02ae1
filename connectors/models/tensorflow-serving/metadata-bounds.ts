import type { ServedTensor } from './serving-client.ts'
import { quoted, ServingFailure } from './serving-failure.ts'

/** Sorts the tensors of a signature by name, because a map of protocol buffers has no order. Throws a ServingFailure for tensors past the bounds. */
export function boundedTensors(tensors: readonly ServedTensor[]): readonly ServedTensor[] {
  if (tensors.length > maxTensors)
    throw new ServingFailure('unusable', `describes a signature of ${tensors.length} tensors; at most ${maxTensors} are read`)
  for (const { name, shape } of tensors) {
    if (name === '' || name.length > maxNameLength || quoted(name) !== name)
      throw new ServingFailure('unusable', `describes a tensor with the name ${JSON.stringify(quoted(name))}`)
    if (shape !== null && (shape.length > maxRank || !shape.every((size) => Number.isSafeInteger(size) && size >= -1)))
      throw new ServingFailure('unusable', `describes the tensor ${name} with a shape that cannot be`)
  }
  return tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

const maxTensors = 1024
const maxNameLength = 400
const maxRank = 32
