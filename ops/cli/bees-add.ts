import { dirname, join } from 'node:path'
import { BeeRegistry } from '../../bees/registry.ts'
import { beePackage } from '../../connectors/packages/bee-package.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { lockName, readBeeLock, withBeeLock, writeBeeLock } from '../config/bee-lock.ts'
import { beeOf, refuseConflict } from '../config/bee-registry.ts'
import { exitStatus } from './exit-status.ts'

export interface BeesAddOptions {
  /** The swarm file. The lock file is in the same folder. */
  readonly swarm: string
  /** True if the user says that the package is a Python package. A bare name could also be a package of npm. */
  readonly python?: boolean
  readonly json: boolean
}

/** A bee type that is in the lock file now. */
export interface AddedBee {
  readonly type: string
  readonly package: string
  readonly version: string
  readonly integrity: string
  readonly summary: string
  /** The previous version in the lock file; null if there was no previous version. */
  readonly before: string | null
}

/**
 * `waggle bees add PACKAGE`: makes the bee types of an npm or Python package available to a swarm. The hash of the package's files is written to the
 * swarm's lock file.
 */
export async function beesAdd(name: string, { swarm, python = false, json }: BeesAddOptions): Promise<number> {
  const directory = dirname(swarm)
  const { addPythonPackage, isPythonPackage } = await import('./python-bees-add.ts')
  const isPython = python || isPythonPackage(name, directory)
  const added = isPython ? await addPythonPackage(name, directory) : [withBeeLock(directory, () => addNpmPackage(name, directory))]
  const lock = join(directory, lockName)
  process.stdout.write(
    json
      ? added.map(({ summary: _, before: __, ...one }) => `${JSON.stringify({ ...one, lock })}\n`).join('')
      : `${added.map(lineOf).join('')}${added.length === 1 ? 'It is' : 'They are'} in ${lock}.\n`,
  )
  return exitStatus.done
}

function lineOf({ type, package: name, version, summary, before }: AddedBee): string {
  return `${type} of ${name} ${version}${before === null || before === version ? '' : ` (before: ${before})`}: ${summary}\n`
}

function addNpmPackage(name: string, directory: string): AddedBee {
  const found = beePackage(name, directory)
  const bee = beeOf(found)
  refuseConflict(bee, new BeeRegistry())
  const locked = new Map(readBeeLock(directory))
  const before = locked.get(bee.type)
  const { version, integrity } = found
  if (before !== undefined && (before.package !== name || before.python !== undefined))
    throw new WaggleError('WAGGLE_BEE_PACKAGE', {
      message: `${join(directory, lockName)} has the bee type ${bee.type} from ${before.package}${before.python === undefined ? '' : ' (Python)'}`,
      next: `Use one of the two packages: waggle bees remove ${bee.type} makes room for ${name}.`,
    })
  if (before?.version === version && before.integrity !== integrity)
    throw new WaggleError('WAGGLE_BEE_PACKAGE', {
      message: `The files of ${name} ${version} are not those of ${join(directory, lockName)}`,
      next: 'Someone has changed the package. Install the package again. If it still differs, find out who changed it.',
    })
  for (const [type, one] of locked) if (one.package === name && one.python === undefined) locked.delete(type)
  locked.set(bee.type, { package: name, version, integrity })
  writeBeeLock(directory, locked)
  return { type: bee.type, package: name, version, integrity, summary: bee.summary, before: before?.version ?? null }
}
