import { createHash } from 'node:crypto'

/** A place in [0, 1), from a hash that no partitioner uses. So any range of places has the same share of each partition. */
export function placeOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32
}
