import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PackageBeeDeclaration } from '../../bees/python/package-bee.ts'
import { readBounded } from '../../connectors/system/bounded-file.ts'
import { fileError } from '../../connectors/system/file-error.ts'
import { withFileLock } from '../../connectors/system/file-lock.ts'
import { isFields } from '../../topology/fields.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** The entry for a packaged bee type in a swarm's lock file. */
export interface LockedBee {
  readonly package: string
  readonly version: string
  readonly integrity: string
  /** Undefined for an npm package. */
  readonly python?: LockedPython
}

/** The part of an entry that only Python packages have. */
export interface LockedPython {
  /** The module that registers the bee. */
  readonly module: string
  /** The package's wheel, and the wheels of all packages on which it depends. */
  readonly wheels: readonly WheelEntry[]
  /** The declaration of the bee, so `validate` and `catalog` need no Python. */
  readonly declares: PackageBeeDeclaration
}

export interface WheelEntry {
  readonly name: string
  readonly version: string
  /** The SHA-256 of the wheel, in hexadecimal. */
  readonly sha256: string
  /** The name of the file in the folder of wheels; undefined for a wheel of the package index. */
  readonly file?: string
}

/** The folder for wheels that no package index has. The folder is beside the lock file, and users keep both in version control. */
export const wheelFolder = 'bees.wheels'

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

/** Runs `work`, which reads the bee types and writes them again, while no other process does so. Throws the errors of `withFileLock`. */
export function withBeeLock<T>(directory: string, work: () => T): T {
  return withFileLock(join(directory, lockName), work)
}

/** Replaces the lock file atomically: a reader finds either the whole old text or the whole new text. */
export function writeBeeLock(directory: string, bees: ReadonlyMap<string, LockedBee>): void {
  const sorted = [...bees].sort(([a], [b]) => (a < b ? -1 : 1))
  const file = join(directory, lockName)
  try {
    writeFileSync(`${file}.next`, `${JSON.stringify({ lockfileVersion, bees: Object.fromEntries(sorted) }, null, 2)}\n`, { flush: true })
    renameSync(`${file}.next`, file)
  } catch (thrown) {
    throw fileError(thrown) ?? thrown
  }
}

/** Deletes the wheels beside the lock file that no entry names. */
export function removeUnusedWheels(directory: string, bees: ReadonlyMap<string, LockedBee>): void {
  const folder = join(directory, wheelFolder)
  if (!existsSync(folder)) return
  const used = new Set([...bees.values()].flatMap(({ python }) => python?.wheels.map(({ file }) => file) ?? []))
  for (const file of readdirSync(folder)) if (wheelFile.test(file) && !used.has(file)) rmSync(join(folder, file))
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
  if (!isFields(value) || !['package', 'version', 'integrity'].every((key) => typeof value[key] === 'string')) return false
  return value.python === undefined || (isLockedPython(value.python) && value.python.wheels.some(({ name }) => name === value.package))
}

function isLockedPython(value: unknown): value is LockedPython {
  if (!isFields(value) || !isText(value.module, moduleName) || !Array.isArray(value.wheels) || !isFields(value.declares)) return false
  const { summary, delivery, spec, examples } = value.declares
  const isDeclared = typeof summary === 'string' && typeof delivery === 'string' && isFields(spec) && Array.isArray(examples)
  return isDeclared && value.wheels.every(isWheel)
}

/** True for a wheel whose texts are safe in a line of a requirements.txt. */
function isWheel(value: unknown): value is WheelEntry {
  if (!isFields(value) || !isText(value.name, wheelName) || !isText(value.version, wheelVersion) || !isText(value.sha256, hexadecimal)) return false
  return value.file === undefined || isText(value.file, wheelFile)
}

function isText(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value)
}

/** The name of a Python module, with the names of its packages. */
export const moduleName = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/
/** The name of a Python package in its normal form (PEP 503). */
const wheelName = /^[a-z0-9]+(?:-[a-z0-9]+)*$/
/** A version of PEP 440. */
const wheelVersion = /^[A-Za-z0-9][A-Za-z0-9.!+_-]{0,99}$/
/** The name of a wheel's file (PEP 427). */
export const wheelFile = /^[A-Za-z0-9][A-Za-z0-9._+!-]{0,250}\.whl$/
const hexadecimal = /^[0-9a-f]{64}$/

const lockfileVersion = 1
const maxLockBytes = 1024 * 1024
