import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { syncDirectory } from './directory-sync.ts'
import { fileError, makeDirectory } from './file-error.ts'

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
