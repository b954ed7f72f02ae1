import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { EmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { take } from '../../connectors/log/embedded/log-snapshot.ts'
import { syncDirectories, syncDirectory } from '../../connectors/system/directory-sync.ts'
import { fileError, makeDirectory } from '../../connectors/system/file-error.ts'
import type { Clock, Log } from '../../processor/ports.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type BackupFile, manifestName, manifestText } from './backup-manifest.ts'
import { copyFile } from './copied-file.ts'
import { isEmptyDirectory, lostAndFound } from './empty-directory.ts'
import { freezeTables } from './frozen-tables.ts'

export interface BackupOptions {
  readonly dataDirectory: string
  /** A directory that is missing or empty. */
  readonly into: string
  /** The log of the data directory, which this process has open. Null on a cluster, where the brokers store the records. */
  readonly log: Log | null
  readonly clock: Clock
  /** The version of Waggle. */
  readonly waggle: string
}

export interface BackupReport {
  readonly directory: string
  readonly files: number
  readonly bytes: number
}

/**
 * Copies a data directory while its process runs. ClickHouse is copied first, then the log between two commits, and then all other files. Throws
 * WAGGLE_BACKUP_PLACE for a directory that contains files or is inside the data directory, WAGGLE_DISK_FULL and WAGGLE_FILE_UNUSABLE. A failed backup
 * deletes its files, and does not touch the backup of another process.
 */
export async function writeBackup(options: BackupOptions): Promise<BackupReport> {
  const { dataDirectory, log, clock, waggle } = options
  const directory = resolve(options.into)
  const isNew = !existsSync(directory)
  expectEmpty(directory, dataDirectory)
  const frozen = join(dataDirectory, frozenName)
  let isOwned = false
  try {
    makeDirectory(directory)
    expectOutside(directory, dataDirectory)
    own(directory)
    isOwned = true
    // A killed backup has left this directory behind.
    rmSync(frozen, { recursive: true, force: true })
    mkdirSync(frozen, { mode: 0o700 })
    if (log instanceof EmbeddedLog) {
      if (existsSync(join(dataDirectory, 'clickhouse'))) freezeTables(join(dataDirectory, 'clickhouse'), join(frozen, 'clickhouse'))
      await log.snapshot(join(frozen, 'log'))
    }
    freezeFiles(dataDirectory, frozen)
    const files: BackupFile[] = []
    for (const path of treeOf(frozen, '')) files.push(await copied(frozen, path, directory))
    syncDirectories(join(directory, 'data'))
    if (isNew) syncDirectory(dirname(directory))
    const manifest = join(directory, manifestName)
    writeFileSync(`${manifest}.next`, manifestText({ waggle, createdAt: clock.now(), files }), { flush: true })
    renameSync(`${manifest}.next`, manifest)
    syncDirectory(directory)
    return { directory, files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) }
  } catch (thrown) {
    if (isOwned) removeOwn(directory)
    if (isNew) removeEmpty(directory)
    throw fileError(thrown, 'The backup was given up.') ?? thrown
  } finally {
    if (isOwned) rmSync(frozen, { recursive: true, force: true })
  }
}

/** Throws WAGGLE_BACKUP_PLACE for a directory that contains files or is inside the data directory. */
function expectEmpty(directory: string, dataDirectory: string): void {
  if (`${directory}${sep}`.startsWith(`${resolve(dataDirectory)}${sep}`)) throw insideData(directory)
  if (!isEmptyDirectory(directory)) throw hasFiles(directory)
}

/** Throws WAGGLE_BACKUP_PLACE if a symbolic link puts the directory inside the data directory. */
function expectOutside(directory: string, dataDirectory: string): void {
  if (`${realpathSync(directory)}${sep}`.startsWith(`${realpathSync(dataDirectory)}${sep}`)) throw insideData(directory)
}

/** Claims the directory for this backup. If two processes write to one directory, only one of them can create `data`. */
function own(directory: string): void {
  try {
    mkdirSync(join(directory, 'data'), { mode: 0o700 })
  } catch (thrown) {
    throw (thrown as NodeJS.ErrnoException).code === 'EEXIST' ? hasFiles(directory) : thrown
  }
}

/** Removes the files of this backup. `data` is removed last: as long as it exists, no other backup begins in this directory. */
function removeOwn(directory: string): void {
  for (const name of [manifestName, `${manifestName}.next`, 'data']) rmSync(join(directory, name), { recursive: true, force: true })
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch (thrown) {
    // The file or directory is missing, or contains files that this backup did not write.
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes((thrown as NodeJS.ErrnoException).code ?? '')) throw thrown
  }
}

function hasFiles(directory: string): WaggleError {
  return new WaggleError('WAGGLE_BACKUP_PLACE', { message: `${directory} has files`, next: 'Name a directory that is new or empty.' })
}

function insideData(directory: string): WaggleError {
  return new WaggleError('WAGGLE_BACKUP_PLACE', {
    message: `${directory} lies in the data directory itself`,
    next: 'Name a directory elsewhere, best on another disk.',
  })
}

/**
 * Links the files of the data directory, except the files in `leftOut`. Files of tokens and secrets are replaced by a rename, so a link keeps the
 * current text while the log is copied.
 */
function freezeFiles(dataDirectory: string, frozen: string): void {
  for (const entry of readdirSync(dataDirectory, { withFileTypes: true })) {
    if (leftOut.has(entry.name)) continue
    const paths = entry.isDirectory() ? treeOf(dataDirectory, entry.name) : entry.isFile() ? [entry.name] : []
    for (const path of paths) {
      mkdirSync(dirname(join(frozen, path)), { recursive: true })
      try {
        take(join(dataDirectory, path), join(frozen, path))
      } catch (thrown) {
        // A payload whose time is over may be deleted meanwhile. No record needs it.
        if (entry.name !== 'claims' || (thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
      }
    }
  }
}

/** The paths of all files below a directory of `root`. */
function treeOf(root: string, below: string): readonly string[] {
  return readdirSync(join(root, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name)
    return entry.isDirectory() ? treeOf(root, path) : entry.isFile() ? [path] : []
  })
}

async function copied(root: string, path: string, directory: string): Promise<BackupFile> {
  const target = join(directory, 'data', path)
  mkdirSync(dirname(target), { recursive: true })
  const mode = statSync(join(root, path)).mode & 0o777
  const { sha256, bytes } = await copyFile(join(root, path), target, { mode })
  return { path: path.split(sep).join('/'), bytes, sha256, mode }
}

/** The directory inside the data directory that keeps the files of a backup while they are copied. */
const frozenName = '.backup-in-progress'

/**
 * Files that are not linked. `log` and `clickhouse` are copied separately. Models are fetched again, state on a cluster is read from changelogs, and
 * examples and the SDK are written at each start. `process.json` and `flights` belong to this run only.
 */
const leftOut: ReadonlySet<string> = new Set([
  'log',
  'clickhouse',
  'models',
  'state',
  'examples',
  'python',
  'process.json',
  'flights',
  lostAndFound,
  frozenName,
])
