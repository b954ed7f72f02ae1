import { readFileSync, statSync } from 'node:fs'

/** Size of a regular file. Throws RangeError for anything else: a pipe or a device may give bytes for ever, or none. */
export function sizeOfFile(path: string): number {
  const stats = statSync(path)
  if (!stats.isFile()) throw new RangeError(`${path} is not a regular file`)
  return stats.size
}

/** Reads a regular file of at most this size. Throws RangeError for another. */
export function readRegularFile(path: string, maxBytes: number): Buffer {
  if (sizeOfFile(path) > maxBytes) throw new RangeError(`${path} has more than ${maxBytes} bytes`)
  return readFileSync(path)
}
