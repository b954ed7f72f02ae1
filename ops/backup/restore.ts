import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { refuseUnfinishedRestore, restoringName } from '../../connectors/system/data-format.ts'
import { syncDirectories, syncDirectory } from '../../connectors/system/directory-sync.ts'
import { fileError, makeDirectory } from '../../connectors/system/file-error.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { BackupReport } from './backup.ts'
import { type BackupFile, damagedBackup, readManifest } from './backup-manifest.ts'
import { copyFile } from './copied-file.ts'
import { isEmptyDirectory } from './empty-directory.ts'

export interface RestoreOptions {
  /** A directory that `waggle backup` wrote. */
  readonly from: string
  /** A data directory that is missing or empty. */
  readonly dataDirectory: string
}

/**
 * Makes a data directory from a backup. Every file is compared with its hash. Throws WAGGLE_DATA_DIR_NOT_EMPTY, WAGGLE_NO_BACKUP,
 * WAGGLE_BACKUP_DAMAGED, WAGGLE_DATA_FORMAT, WAGGLE_DISK_FULL, and WAGGLE_RESTORE_UNFINISHED while another restore runs. The files are gathered
 * inside the directory, because it may be the root of a volume. No process opens the directory before all files are in place.
 */
export async function restoreBackup({ from, dataDirectory }: RestoreOptions): Promise<BackupReport> {
  const target = resolve(dataDirectory)
  refuseUnfinishedRestore(target)
  if (!isEmptyDirectory(target)) throw notEmpty(target)
  const isNew = !existsSync(target)
  const backup = resolve(from)
  const { files } = readManifest(backup)
  const next = join(target, restoringName)
  const made: string[] = []
  try {
    makeDirectory(target)
    own(next, target)
    made.push(next)
    if (!isEmptyDirectory(target, [restoringName])) throw notEmpty(target)
    for (const file of files) await restored(file, backup, next)
    syncDirectories(next)
    for (const name of readdirSync(next)) {
      renameSync(join(next, name), join(target, name))
      made.unshift(join(target, name))
    }
    syncDirectory(target)
    rmdirSync(next)
    syncDirectory(target)
  } catch (thrown) {
    for (const path of made) rmSync(path, { recursive: true, force: true })
    if (isNew && made.length > 0) rmdirSync(target)
    throw fileError(thrown, 'Nothing was restored.') ?? thrown
  }
  return { directory: target, files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) }
}

/** Creates the directory in which files are gathered. Only one process succeeds. */
function own(next: string, target: string): void {
  try {
    mkdirSync(next, { mode: 0o700 })
  } catch (thrown) {
    refuseUnfinishedRestore(target)
    throw thrown
  }
}

async function restored({ path, bytes, sha256, mode }: BackupFile, backup: string, next: string): Promise<void> {
  const source = join(backup, 'data', path)
  const target = join(next, path)
  if (statSync(source, { throwIfNoEntry: false })?.isFile() !== true) throw damagedBackup(backup, `data/${path} is missing`)
  mkdirSync(dirname(target), { recursive: true })
  const found = await copyFile(source, target, { mode })
  if (found.bytes !== bytes || found.sha256 !== sha256) throw damagedBackup(backup, `data/${path} has other bytes than those that were written`)
}

function notEmpty(directory: string): WaggleError {
  return new WaggleError('WAGGLE_DATA_DIR_NOT_EMPTY', {
    message: `${directory} has files`,
    next: 'Move these files away, or set WAGGLE_DATA_DIR to a directory that is new or empty.',
  })
}
