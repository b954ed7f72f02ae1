import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WaggleError } from '../../topology/waggle-error.ts'
import { syncDirectory } from './directory-sync.ts'
import { fileError, makeDirectory } from './file-error.ts'

/**
 * Checks the version in the file `FORMAT` of a data directory, and writes the current version. A directory without the file is new, or has version 1.
 * The code that opens a part of the directory upgrades this part. Throws WAGGLE_DATA_FORMAT for a newer or unreadable version, and
 * WAGGLE_FILE_UNUSABLE or WAGGLE_DISK_FULL if the directory cannot be created or written.
 */
export function checkDataFormat(directory: string): void {
  const file = join(directory, 'FORMAT')
  if (existsSync(file)) {
    const text = readFileSync(file, 'utf8').trim()
    if (!/^[1-9]\d{0,5}$/.test(text)) {
      throw new WaggleError('WAGGLE_DATA_FORMAT', {
        message: `${file} holds no version: it is damaged`,
        next: `If this version of Waggle has written the directory, write ${currentFormat} into the file. Otherwise restore the directory from a copy.`,
      })
    }
    if (Number(text) > currentFormat) {
      throw new WaggleError('WAGGLE_DATA_FORMAT', {
        message: `${directory} has the format ${text}, and this version of Waggle knows formats up to ${currentFormat}`,
        next: 'Use the version of Waggle that wrote the directory, or a newer version, or set WAGGLE_DATA_DIR to another directory.',
      })
    }
    if (Number(text) === currentFormat) return
  }
  makeDirectory(directory, otherDirectory)
  try {
    writeFileSync(`${file}.next`, `${currentFormat}\n`, { flush: true })
    renameSync(`${file}.next`, file)
  } catch (thrown) {
    throw fileError(thrown, otherDirectory) ?? thrown
  }
}

/**
 * True if an embedded log was made in this directory, even if the log itself is gone. A directory without `FORMAT` counts if it contains `clickhouse`
 * or `flights`, and neither `log` nor `state`. A folder `state` shows that the log is on Kafka.
 */
export function hadLog(directory: string): boolean {
  const has = (name: string) => existsSync(join(directory, name))
  if (has(logMade)) return true
  return !has('FORMAT') && !has('log') && !has('state') && (has('clickhouse') || has('flights'))
}

/** Records durably, outside of the log, that a log was made. */
export function writeLogMade(directory: string): void {
  const file = join(directory, logMade)
  if (existsSync(file)) return
  writeFileSync(file, '', { flush: true })
  syncDirectory(directory)
}

/** The folder inside a data directory in which a restore gathers files. A finished restore deletes this folder last. */
export const restoringName = '.restoring'

/** Throws WAGGLE_RESTORE_UNFINISHED for a data directory whose restore is running or was killed, because files may be missing. */
export function refuseUnfinishedRestore(directory: string): void {
  const restoring = join(directory, restoringName)
  if (!existsSync(restoring)) return
  throw new WaggleError('WAGGLE_RESTORE_UNFINISHED', {
    message: `${directory} has ${restoringName}: a restore runs now, or was killed`,
    next: `If no \`waggle restore\` runs, delete everything in ${directory}, which is a part of the backup, and restore the backup again.`,
  })
}

const otherDirectory = 'WAGGLE_DATA_DIR sets the data directory.'
const logMade = 'LOG-MADE'

/** Version 2 added a mark of the last commit, `topics.json`, and the uses of segment files. */
const currentFormat = 2
