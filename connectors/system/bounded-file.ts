import { closeSync, constants, existsSync, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { WaggleError } from '../../topology/waggle-error.ts'

export interface BoundedReading {
  readonly maxBytes: number
  readonly next: string
  /** Throws a WaggleError for a file that must not be read. Default: every regular file may be read. */
  readonly refuse?: (stats: Stats) => void
  /** Flags of open(2), in addition to the usual ones. */
  readonly flags?: number
}

/**
 * Reads a file that a user named. Refuses files of more than `maxBytes`. Also refuses devices, pipes and directories, because they may return bytes
 * without end, or never return any. Throws WAGGLE_FILE_NOT_FOUND with `next`.
 */
export function readBounded(file: string, { maxBytes, next, refuse = () => {}, flags = 0 }: BoundedReading): Uint8Array {
  let descriptor: number | null = null
  try {
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | flags)
    const stats = fstatSync(descriptor)
    if (!stats.isFile()) throw unreadable(file, stats.isDirectory() ? 'is a directory' : 'is not a regular file', next)
    refuse(stats)
    // The reported size cannot be trusted as a limit, because files of /proc report 0.
    const bytes = Buffer.alloc(Math.min(Math.max(stats.size, smallestRead), maxBytes) + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read) read = readSync(descriptor, bytes, length, bytes.length - length, null)
    if (length === bytes.length) throw unreadable(file, `is larger than ${maxBytes} bytes`, next)
    return bytes.subarray(0, length)
  } catch (cause) {
    if (cause instanceof WaggleError) throw cause
    const { code = String(cause) } = cause as NodeJS.ErrnoException
    const where = code === 'ENOENT' && !isAbsolute(file) ? ` in ${process.cwd()}` : ''
    throw unreadable(file, `cannot be read${where} (${code})`, calledElsewhere(file) ?? next, cause)
  } finally {
    if (descriptor !== null) closeSync(descriptor)
  }
}

/**
 * Advice for a file that is missing in the working folder, but exists in the folder where the user called npm; null otherwise. npm runs a script in
 * the folder of its package.json, and names the user's folder in INIT_CWD.
 */
function calledElsewhere(file: string): string | null {
  const { INIT_CWD: caller } = process.env
  if (caller === undefined || isAbsolute(file) || !existsSync(join(caller, file)) || existsSync(file)) return null
  return `It is where npm was called: name ${join(caller, file)}.`
}

const smallestRead = 64 * 1024

function unreadable(file: string, why: string, next: string, cause?: unknown): WaggleError {
  return new WaggleError('WAGGLE_FILE_NOT_FOUND', { message: `${file} ${why}`, next, place: `${file}:1:1`, cause })
}
