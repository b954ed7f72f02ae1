import { createHash } from 'node:crypto'

/** A number in [0, 1) from the SHA-256 of a text. Partitioners use another hash, so each partition has keys with numbers from the whole range. */
export function shareOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32
}
