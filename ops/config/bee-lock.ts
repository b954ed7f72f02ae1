import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readBounded } from '../../connectors/system/bounded-file.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** The entry for a packaged bee type in a swarm's lock file. */
export interface LockedBee {
  readonly package: string
  readonly version: string
  readonly integrity: string
}

/** The name of the lock file, which is in the folder of the swarm file. Users keep the lock file in version control. */
export const lockName = 'bees.lock.json'

/** The bee types of packages by name; empty if there is no lock file. Throws WAGGLE_BEE_PACKAGE for a file that `waggle bees add` did not write. */
export function readBeeLock(directory: string): ReadonlyMap<string, LockedBee> {
  const file = join(directory, lockName)
  if (!existsSync(file)) return new Map()
  const bytes = readBounded(file, { maxBytes: maxLockBytes, next: 'Take the file from version control.' })
  const bees = beesIn(Buffer.from(bytes).toString())
  if (bees === null)
    throw new WaggleError('WAGGLE_BEE_PACKAGE', {
      message: `${file} is not a lock file of bees`,
      next: 'Take the file from version control, or delete it and run waggle bees add again.',
    })
  return bees
}

export function writeBeeLock(directory: string, bees: ReadonlyMap<string, LockedBee>): void {
  const sorted = [...bees].sort(([a], [b]) => (a < b ? -1 : 1))
  writeFileSync(join(directory, lockName), `${JSON.stringify({ lockfileVersion, bees: Object.fromEntries(sorted) }, null, 2)}\n`)
}

function beesIn(text: string): ReadonlyMap<string, LockedBee> | null {
  try {
    const lock: unknown = JSON.parse(text)
    if (!isFields(lock) || lock.lockfileVersion !== lockfileVersion || !isFields(lock.bees)) return null
    const bees = Object.entries(lock.bees)
    return bees.every((entry): entry is [string, LockedBee] => isLocked(entry[1])) ? new Map(bees) : null
  } catch {
    return null
  }
}

function isLocked(value: unknown): value is LockedBee {
  return isFields(value) && ['package', 'version', 'integrity'].every((key) => typeof value[key] === 'string')
}

function isFields(value: unknown): value is { readonly [key: string]: unknown } {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

const lockfileVersion = 1
const maxLockBytes = 1024 * 1024
