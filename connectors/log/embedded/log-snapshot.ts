import { copyFileSync, existsSync, linkSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { manifestOf } from './log-directory.ts'

/**
 * Writes a second log directory with the files of `directory` as they are now. Files that never change are linked, so a snapshot takes little time
 * and space. No commit may run during the call. RocksDB may still flush and compact, so the files are taken again until no file has changed during
 * the taking.
 */
export function snapshotLog(directory: string, into: string): void {
  rmSync(into, { recursive: true, force: true })
  mkdirSync(join(into, 'segments'), { recursive: true })
  const database = join(directory, 'db')
  for (let tries = 1; ; tries++) {
    const before = stateOf(database)
    if (takeDatabase(database, join(into, 'db')) && stateOf(database) === before) break
    if (tries === maxTries) throw new Error(`${database} changes all the time`)
    rmSync(join(into, 'db'), { recursive: true })
  }
  for (const name of readdirSync(join(directory, 'segments'))) take(join(directory, 'segments', name), join(into, 'segments', name))
  for (const name of ['mark', 'topics.json']) if (existsSync(join(directory, name))) copyFileSync(join(directory, name), join(into, name))
}

/** Returns false if a file has disappeared because RocksDB has compacted it. */
function takeDatabase(database: string, into: string): boolean {
  mkdirSync(into)
  try {
    for (const name of filesOf(database)) {
      if (name.endsWith('.sst')) take(join(database, name), join(into, name))
      else copyFileSync(join(database, name), join(into, name))
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** Links a file that only grows or never changes. On a file system without links, copies the file. */
export function take(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (!withoutLinks.has(code)) throw error
    copyFileSync(from, to)
  }
}

/** The files of a database without its lock and its own log. */
function filesOf(database: string): readonly string[] {
  return readdirSync(database)
    .filter((name) => name !== 'LOCK' && !name.startsWith('LOG'))
    .toSorted()
}

/** The names of the files, and the state of the manifest. A flush or a compaction changes both. */
function stateOf(database: string): string {
  return JSON.stringify([filesOf(database), manifestOf(database)])
}

const withoutLinks: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'])
const maxTries = 50
