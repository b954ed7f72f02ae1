import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { ownMember } from '../../topology/own-member.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/**
 * Turns an error of the operating system about a file into a WaggleError; null for any other error. A full disk becomes WAGGLE_DISK_FULL, and any
 * other error WAGGLE_FILE_UNUSABLE. `next` is the caller's own advice, added to the advice for the cause.
 */
export function fileError(thrown: unknown, next = ''): WaggleError | null {
  if (thrown instanceof WaggleError || !(thrown instanceof Error)) return null
  const { code, path, dest, syscall } = thrown as NodeJS.ErrnoException & { readonly dest?: string }
  const words =
    code === undefined || syscall === undefined || notOfFiles.has(syscall)
      ? undefined
      : (ownMember(causes, `${code} ${syscall}`) ?? ownMember(causes, code))
  if (words === undefined) return null
  // A move has two paths. The source may be missing, or the target may be read-only, so the error code decides which path the message names.
  const place = (code === 'ENOENT' ? path : (dest ?? path)) ?? (code === 'ENOSPC' || code === 'EDQUOT' ? 'A file' : 'A path')
  return new WaggleError(words.isFull === true ? 'WAGGLE_DISK_FULL' : 'WAGGLE_FILE_UNUSABLE', {
    message: `${place} ${words.is} (${code})`,
    next: [words.next, next].filter((sentence) => sentence !== '').join(' '),
    cause: thrown,
  })
}

/**
 * Creates a directory and its missing parents. Only this user may enter them, unless `mode` says otherwise. Throws WAGGLE_FILE_UNUSABLE or
 * WAGGLE_DISK_FULL, with the path that causes the failure. Each directory is created separately. Node's recursive call never ends if the system
 * returns ENOENT below an existing directory, as in /proc.
 */
export function makeDirectory(directory: string, next = '', mode = 0o700): void {
  try {
    if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return
    const above = dirname(directory)
    if (above !== directory) makeDirectory(above, next, mode)
    mkdirSync(directory, { mode })
  } catch (thrown) {
    // Another process may have created the directory meanwhile.
    if (isDirectory(directory)) return
    throw fileError(thrown, next) ?? thrown
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

interface Cause {
  readonly is: string
  readonly next: string
  readonly isFull?: true
}

/** Causes by the error code, or by the code and the system call. */
const causes: { readonly [code: string]: Cause | undefined } = {
  EACCES: { is: 'may not be used by this user', next: 'Give this user the right to read and write it, or name another place.' },
  EPERM: { is: 'may not be changed by this user', next: 'Give this user the right to read and write it, or name another place.' },
  EROFS: { is: 'lies on a file system that is read-only', next: 'Name a place that can be written.' },
  ENOSPC: { is: 'does not fit on its disk, which is full', next: 'Make room, or name a place on another disk.', isFull: true },
  EDQUOT: { is: 'does not fit into the quota of this user', next: 'Make room, or name a place on another disk.', isFull: true },
  'EEXIST mkdir': { is: 'is a file, and a directory is needed', next: 'Name another place, or move the file away.' },
  EEXIST: { is: 'is there already', next: 'Look at what it is, and move it away.' },
  ENOTDIR: { is: 'leads through a file, and a directory is needed', next: 'Name another place, or move the file away.' },
  EISDIR: { is: 'is a directory, and a file is needed', next: 'Name a file.' },
  'ENOENT mkdir': { is: 'is not there and cannot be made', next: 'Name a place that exists.' },
  ENOENT: { is: 'is not there', next: 'Name a file or directory that exists.' },
  ELOOP: { is: 'leads in a circle of links', next: 'Name a place without it.' },
  ENAMETOOLONG: { is: 'has a name that is too long', next: 'Name a shorter path.' },
  ENOTEMPTY: { is: 'is not empty', next: 'Look at what is in it.' },
  EXDEV: { is: 'lies on another file system than the file that is moved there', next: 'Name a place on one file system.' },
  EBUSY: { is: 'is in use', next: 'Stop the program that uses it.' },
  ETXTBSY: { is: 'is a program that runs', next: 'Stop that program.' },
  EMFILE: { is: 'cannot be opened: this process has as many files open as it may', next: 'Raise the limit of open files (ulimit -n).' },
  ENFILE: { is: 'cannot be opened: this machine has as many files open as it may', next: 'Close other programs.' },
  EIO: { is: 'cannot be read or written: the disk fails', next: 'See that the disk is healthy.' },
  ESTALE: { is: 'is gone from its network file system', next: 'Mount it again.' },
}

/** System calls for programs and connections. They have the same error codes as calls for files. */
const notOfFiles: ReadonlySet<string> = new Set(['connect', 'listen', 'bind', 'accept', 'getaddrinfo', 'kill', 'spawn'])
