import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileError, makeDirectory } from '../../connectors/system/file-error.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { BackupReport } from './backup.ts'
import { type BackupFile, damagedBackup, readManifest } from './backup-manifest.ts'
import { copyFile } from './copied-file.ts'

export interface RestoreOptions {
  /** A directory that `waggle backup` wrote. */
  readonly from: string
  /** A data directory that is missing or empty. */
  readonly dataDirectory: string
}

/**
 * Makes a data directory of a backup. Every file is compared with its hash. Throws WAGGLE_DATA_DIR_NOT_EMPTY, WAGGLE_NO_BACKUP, WAGGLE_BACKUP_DAMAGED,
 * WAGGLE_DATA_FORMAT and WAGGLE_DISK_FULL. The data directory appears when it is complete, or not at all.
 */
export async function restoreBackup({ from, dataDirectory }: RestoreOptions): Promise<BackupReport> {
  const target = resolve(dataDirectory)
  expectEmpty(target)
  const backup = resolve(from)
  const { files } = readManifest(backup)
  const next = `${target}.restoring-${process.pid}`
  try {
    makeDirectory(next)
    for (const file of files) await restored(file, backup, next)
    if (existsSync(target)) rmdirSync(target)
    renameSync(next, target)
  } catch (thrown) {
    rmSync(next, { recursive: true, force: true })
    throw fileError(thrown, 'Nothing was restored.') ?? thrown
  }
  return { directory: target, files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) }
}

async function restored({ path, bytes, sha256, mode }: BackupFile, backup: string, next: string): Promise<void> {
  const source = join(backup, 'data', path)
  const target = join(next, path)
  if (statSync(source, { throwIfNoEntry: false })?.isFile() !== true) throw damagedBackup(backup, `data/${path} is missing`)
  mkdirSync(dirname(target), { recursive: true })
  const found = await copyFile(source, target, { mode })
  if (found.bytes !== bytes || found.sha256 !== sha256) throw damagedBackup(backup, `data/${path} has other bytes than those that were written`)
}

function expectEmpty(directory: string): void {
  if (!existsSync(directory)) return
  if (statSync(directory).isDirectory() && readdirSync(directory).length === 0) return
  throw new WaggleError('WAGGLE_DATA_DIR_NOT_EMPTY', {
    message: `${directory} has files`,
    next: 'Move it away, or set WAGGLE_DATA_DIR to a directory that is new or empty.',
  })
}
