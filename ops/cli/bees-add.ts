import { dirname, join } from 'node:path'
import { BeeRegistry } from '../../bees/registry.ts'
import { beePackage } from '../../connectors/packages/bee-package.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { lockName, readBeeLock, writeBeeLock } from '../config/bee-lock.ts'
import { beeOf, refuseConflict } from '../config/bee-registry.ts'
import { exitStatus } from './exit-status.ts'

export interface BeesAddOptions {
  /** The swarm file. The lock file is in the same folder. */
  readonly swarm: string
  readonly json: boolean
}

/**
 * `waggle bees add PACKAGE`: makes the bee type of an installed package available to a swarm, and writes the hash of the package's files to the
 * swarm's lock file.
 */
export function beesAdd(name: string, { swarm, json }: BeesAddOptions): number {
  const directory = dirname(swarm)
  const found = beePackage(name, directory)
  const bee = beeOf(found)
  refuseConflict(bee, new BeeRegistry())
  const locked = new Map(readBeeLock(directory))
  const before = locked.get(bee.type)
  const { version, integrity } = found
  if (before !== undefined && before.package !== name)
    throw new WaggleError('WAGGLE_BEE_PACKAGE', {
      message: `${join(directory, lockName)} has the bee type ${bee.type} from ${before.package}`,
      next: `Use one of the two packages: take the line of ${before.package} out of the lock file to use ${name}.`,
    })
  if (before?.version === version && before.integrity !== integrity)
    throw new WaggleError('WAGGLE_BEE_PACKAGE', {
      message: `The files of ${name} ${version} are not those of ${join(directory, lockName)}`,
      next: 'Someone has changed the package. Install it again, and find out who if it still differs.',
    })
  for (const [type, one] of locked) if (one.package === name) locked.delete(type)
  locked.set(bee.type, { package: name, version, integrity })
  writeBeeLock(directory, locked)
  const from = before === undefined || before.version === version ? '' : ` (before: ${before.version})`
  process.stdout.write(
    json
      ? `${JSON.stringify({ type: bee.type, package: name, version, integrity, lock: join(directory, lockName) })}\n`
      : `${bee.type} of ${name} ${version}${from}: ${bee.summary}\nIt is in ${join(directory, lockName)}.\n`,
  )
  return exitStatus.done
}
