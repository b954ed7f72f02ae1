import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { BeeType } from '../../bees/define-bee.ts'
import { packageBee } from '../../bees/python/package-bee.ts'
import { readBounded } from '../../connectors/system/bounded-file.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type LockedBee, type LockedPython, lockName, type WheelEntry, wheelFolder } from './bee-lock.ts'

/**
 * The bee type of a Python package, from its entry in the lock file of a directory. Throws WAGGLE_BEE_PACKAGE if a wheel of the directory is missing
 * or differs from its hash. The installer checks the wheels of the package index when the environment is made.
 */
export function pythonBee(
  type: string,
  { package: name, version }: LockedBee,
  { module, wheels, declares }: LockedPython,
  directory: string,
): BeeType {
  const lock = join(directory, lockName)
  const refused = (message: string, next: string) => new WaggleError('WAGGLE_BEE_PACKAGE', { message, next })
  for (const wheel of wheels) {
    const path = wheelPath(wheel, directory)
    if (path === null) continue
    if (!existsSync(path))
      throw refused(
        `${lock} has ${name} ${version}, and its wheel ${path} is missing`,
        `Take ${wheelFolder} from version control, or run waggle bees add again.`,
      )
    if (sha256Of(path) !== wheel.sha256)
      throw refused(
        `The wheel ${path} of ${name} ${version} is not the one of ${lock}`,
        `Someone has changed it. Take it from version control, and find out who. For a new version run waggle bees add again.`,
      )
  }
  const absolute = wheels.map((wheel) => ({ ...wheel, path: wheelPath(wheel, directory) }))
  return packageBee({ type, module, wheels: absolute, lock: resolve(lock), declaration: declares })
}

/** The SHA-256 of a wheel, in hexadecimal. */
function sha256Of(path: string): string {
  const bytes = readBounded(path, { maxBytes: maxWheelBytes, next: 'Leave large files out of the package.' })
  return createHash('sha256').update(bytes).digest('hex')
}

function wheelPath({ file }: WheelEntry, directory: string): string | null {
  return file === undefined ? null : resolve(directory, wheelFolder, file)
}

const maxWheelBytes = 200_000_000
