import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { EmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
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
  /** The log of the data directory, which this process has open. Null on a cluster, where the brokers keep the records. */
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
 * Copies a data directory while its process runs. The log is taken between two commits, and ClickHouse before it. Throws WAGGLE_BACKUP_PLACE for a
 * directory that has files or lies in the data directory, WAGGLE_DISK_FULL and WAGGLE_FILE_UNUSABLE. A backup that fails leaves nothing behind, and leaves
 * the backup of another process alone.
 */
export async function writeBackup(options: BackupOptions): Promise<BackupReport> {
  const { dataDirectory, log, clock, waggle } = options
  const directory = resolve(options.into)
  const isNew = !existsSync(directory)
  expectEmpty(directory, dataDirectory)
  const frozen = join(dataDirectory, `${frozenName}${process.pid}`)
  let isOwned = false
  try {
    makeDirectory(directory)
    expectOutside(directory, dataDirectory)
    own(directory)
    isOwned = true
    removeFrozen(dataDirectory)
    mkdirSync(frozen)
    if (log instanceof EmbeddedLog) {
      if (existsSync(join(dataDirectory, 'clickhouse'))) freezeTables(join(dataDirectory, 'clickhouse'), join(frozen, 'clickhouse'))
      await log.snapshot(join(frozen, 'log'))
    }
    const files: BackupFile[] = []
    for (const [root, path] of [...filesOf(dataDirectory), ...treeOf(frozen, '')]) files.push(await copied(root, path, directory))
    const manifest = join(directory, manifestName)
    writeFileSync(`${manifest}.next`, manifestText({ waggle, createdAt: clock.now(), files }), { flush: true })
    renameSync(`${manifest}.next`, manifest)
    return { directory, files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) }
  } catch (thrown) {
    if (isOwned) removeOwn(directory)
    if (isNew) removeEmpty(directory)
    throw fileError(thrown, 'The backup was given up.') ?? thrown
  } finally {
    rmSync(frozen, { recursive: true, force: true })
  }
}

/** Throws WAGGLE_BACKUP_PLACE for a directory that has files or is in the data directory. */
function expectEmpty(directory: string, dataDirectory: string): void {
  if (`${directory}${sep}`.startsWith(`${resolve(dataDirectory)}${sep}`)) throw insideData(directory)
  if (!isEmptyDirectory(directory)) throw hasFiles(directory)
}

/** As `expectEmpty`, for a directory that a link leads into the data directory. */
function expectOutside(directory: string, dataDirectory: string): void {
  if (`${realpathSync(directory)}${sep}`.startsWith(`${realpathSync(dataDirectory)}${sep}`)) throw insideData(directory)
}

/** Takes the directory for this backup. Of two processes that write to one directory, only one can create `data`. */
function own(directory: string): void {
  try {
    mkdirSync(join(directory, 'data'), { mode: 0o700 })
  } catch (thrown) {
    throw (thrown as NodeJS.ErrnoException).code === 'EEXIST' ? hasFiles(directory) : thrown
  }
}

/** Removes the parts of this backup. `data` goes last: as long as it exists, no other backup begins in this directory. */
function removeOwn(directory: string): void {
  for (const name of [manifestName, `${manifestName}.next`, 'data']) rmSync(join(directory, name), { recursive: true, force: true })
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch (thrown) {
    // It is missing, or has files that this backup did not write.
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

/** Everything in the data directory but the parts that are taken otherwise, that can be made again, or that belong to this run. */
function filesOf(dataDirectory: string): readonly (readonly [root: string, path: string])[] {
  return readdirSync(dataDirectory, { withFileTypes: true }).flatMap((entry) => {
    if (leftOut.has(entry.name) || entry.name.startsWith(frozenName)) return []
    return entry.isDirectory() ? treeOf(dataDirectory, entry.name) : entry.isFile() ? [[dataDirectory, entry.name] as const] : []
  })
}

function treeOf(root: string, below: string): readonly (readonly [root: string, path: string])[] {
  return readdirSync(join(root, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name)
    return entry.isDirectory() ? treeOf(root, path) : entry.isFile() ? [[root, path] as const] : []
  })
}

async function copied(root: string, path: string, directory: string): Promise<BackupFile> {
  const target = join(directory, 'data', path)
  mkdirSync(dirname(target), { recursive: true })
  const mode = statSync(join(root, path)).mode & 0o777
  const { sha256, bytes } = await copyFile(join(root, path), target, { mode })
  return { path: path.split(sep).join('/'), bytes, sha256, mode }
}

/** Deletes what a killed backup has left. */
function removeFrozen(dataDirectory: string): void {
  for (const name of readdirSync(dataDirectory)) if (name.startsWith(frozenName)) rmSync(join(dataDirectory, name), { recursive: true })
}

/**
 * `log` and `clickhouse` are taken between commits. Models are fetched again, state on a cluster is read from changelogs, examples and the SDK are
 * written at each start. `process.json` and `flights` are of this run.
 */
const leftOut: ReadonlySet<string> = new Set(['log', 'clickhouse', 'models', 'state', 'examples', 'python', 'process.json', 'flights', lostAndFound])
const frozenName = 'backup-'
