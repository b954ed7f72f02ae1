import { readFileSync, statSync } from 'node:fs'

/** The size of a regular file. Throws RangeError for anything else, because a pipe or a device may return bytes without end, or never return any. */
export function sizeOfFile(path: string): number {
  const stats = statSync(path)
  if (!stats.isFile()) throw new RangeError(`${path} is not a regular file`)
  return stats.size
}

/** Reads a regular file of at most `maxBytes`. Throws RangeError for a larger file, and for a path that is not a regular file. */
export function readRegularFile(path: string, maxBytes: number): Buffer {
  if (sizeOfFile(path) > maxBytes) throw new RangeError(`${path} has more than ${maxBytes} bytes`)
  return readFileSync(path)
}
