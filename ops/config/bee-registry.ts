import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { BeeType } from '../../bees/define-bee.ts'
import { BeeRegistry } from '../../bees/registry.ts'
import { type BeePackage, beePackage } from '../../connectors/packages/bee-package.ts'
import { saidBy, WaggleError } from '../../topology/waggle-error.ts'
import { lockName, readBeeLock } from './bee-lock.ts'
import { pythonBee } from './locked-python-bee.ts'

/**
 * The bee types of a swarm in this directory: Waggle's own types, and the types of the packages in the lock file. Throws WAGGLE_BEE_PACKAGE for a
 * package that is missing or differs from the lock file.
 */
export function beeRegistry(directory: string): BeeRegistry {
  const own = new BeeRegistry()
  const locked = readBeeLock(directory)
  if (locked.size === 0) return own
  const added = [...locked].map(([type, entry]) => {
    const { package: name, version, integrity, python } = entry
    if (python !== undefined) return pythonBee(type, entry, python, directory)
    const found = beePackage(name, directory)
    if (found.version !== version)
      throw new WaggleError('WAGGLE_BEE_PACKAGE', {
        message: `${join(directory, lockName)} has ${name} ${version}, and ${found.version} is installed`,
        next: `Install ${name}@${version}, or take the new version: waggle bees add ${name}.`,
      })
    if (found.integrity !== integrity)
      throw new WaggleError('WAGGLE_BEE_PACKAGE', {
        message: `The files of ${name} ${version} are not those of ${join(directory, lockName)}`,
        next: 'Someone has changed the package. Install the package again. If it still differs, find out who changed it.',
      })
    const bee = beeOf(found)
    if (bee.type !== type)
      throw new WaggleError('WAGGLE_BEE_PACKAGE', {
        message: `${name} is the bee type ${bee.type}, and ${join(directory, lockName)} has it as ${type}`,
        next: `Run waggle bees remove ${type}, and then waggle bees add ${name}.`,
      })
    return bee
  })
  return added.reduce((registry, bee) => {
    refuseConflict(bee, registry)
    return new BeeRegistry([...registry.types, bee])
  }, own)
}

/** Loads the bee type of a package. Throws WAGGLE_BEE_PACKAGE if the default export is not a bee type, or if the package cannot be loaded. */
export function beeOf({ name, main }: BeePackage): BeeType {
  const module: unknown = loaded(name, main)
  const bee: unknown = module !== null && typeof module === 'object' && 'default' in module ? module.default : module
  if (bee === null || typeof bee !== 'object' || !('definition' in bee) || !('type' in bee) || !('role' in bee))
    throw new WaggleError('WAGGLE_BEE_PACKAGE', {
      message: `The default export of ${name} is not a bee type`,
      next: 'Export the result of defineBee: export default defineBee({ … }).',
    })
  return bee as BeeType
}

/** Throws WAGGLE_BEE_PACKAGE if a type of the registry has the name or an alias of this bee type. */
export function refuseConflict(bee: BeeType, registry: BeeRegistry): void {
  for (const name of [bee.type, ...bee.aliases]) {
    if (registry.find(name) === null) continue
    throw new WaggleError('WAGGLE_BEE_PACKAGE', {
      message: `There is a bee type ${name} already`,
      next: 'Give the type of the package another name.',
    })
  }
}

function loaded(name: string, main: string): unknown {
  try {
    return createRequire(import.meta.url)(main)
  } catch (thrown) {
    const said = saidBy(thrown).split('\n', 1)[0] ?? ''
    throw new WaggleError('WAGGLE_BEE_PACKAGE', {
      message: `${name} cannot be loaded: ${said}`,
      next: /top-level await/.test(said)
        ? 'Await in create, and not at the top of the module.'
        : 'Correct the package, or install the package again.',
      cause: thrown,
    })
  }
}
