import { createHash } from 'node:crypto'

/** A number in [0, 1), from a hash that no partitioner uses. So any range of these numbers has the same share of each partition. */
export function shareOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32
}
