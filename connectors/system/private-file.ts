import { constants, lstatSync, renameSync, rmSync, type Stats, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { WaggleError } from '../../topology/waggle-error.ts'
import { readBounded } from './bounded-file.ts'
import { syncDirectory } from './directory-sync.ts'
import { fileError, makeDirectory } from './file-error.ts'
import { isOwnFile } from './file-owner.ts'

/**
 * Replaces a file durably and atomically. A reader, also after a crash, finds either the whole old text or the whole new text. Only this user may
 * read the file. Throws WAGGLE_FILE_UNUSABLE or WAGGLE_DISK_FULL.
 */
export function writePrivateFile(file: string, text: string): void {
  makeDirectory(dirname(file))
  try {
    // The mode applies only to a new file, and an older file may be a link.
    rmSync(`${file}.next`, { force: true })
    writeFileSync(`${file}.next`, text, { mode: 0o600, flag: 'wx', flush: true })
    renameSync(`${file}.next`, file)
    syncDirectory(dirname(file))
  } catch (thrown) {
    throw fileError(thrown) ?? thrown
  }
}

/**
 * The stats of a private file, or of anything else at its path, such as a broken link. Undefined if there is nothing at the path, or if the path
 * leads through a file. Throws WAGGLE_FILE_UNUSABLE if the path cannot be looked at.
 */
export function privateFileStats(file: string): Stats | undefined {
  try {
    return lstatSync(file, { throwIfNoEntry: false })
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    throw fileError(thrown) ?? thrown
  }
}

/**
 * Reads a file that `writePrivateFile` wrote. Throws WAGGLE_FILE_FOREIGN for a link and for a file of another user, because another user would choose
 * the content. Also throws the errors of `readBounded`.
 */
export function readPrivateFile(file: string, { maxBytes, next }: { readonly maxBytes: number; readonly next: string }): Uint8Array {
  if (privateFileStats(file)?.isSymbolicLink() === true)
    throw foreign(`${file} is a link, and Waggle writes a file there`, `Put the file itself in its place, or delete the link.`)
  return readBounded(file, {
    maxBytes,
    next,
    // The path may become a link after the check above. Windows does not have this flag.
    flags: constants.O_NOFOLLOW ?? 0,
    refuse(stats) {
      if (!isOwnFile(file, stats))
        throw foreign(
          `${file} belongs to another user (uid ${stats.uid})`,
          `Find out who put it there. If it is right: chown ${process.geteuid?.() ?? ''} ${file}`,
        )
    },
  })
}

function foreign(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_FILE_FOREIGN', { message, next })
}
