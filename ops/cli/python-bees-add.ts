import { copyFileSync, existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { packageBee } from '../../bees/python/package-bee.ts'
import { BeeRegistry } from '../../bees/registry.ts'
import { type ResolvedPackage, withResolvedPackage } from '../../connectors/packages/wheel-resolution.ts'
import { Guardian } from '../../connectors/processes/guardian.ts'
import { findInterpreter } from '../../connectors/python/interpreter.ts'
import { lockedRequirements } from '../../connectors/python/locked-wheels.ts'
import { VirtualEnvironments } from '../../connectors/python/virtual-environments.ts'
import { makeDirectory } from '../../connectors/system/file-error.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { LockedWheel } from '../../topology/swarm/ports/python.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import {
  type LockedBee,
  lockName,
  readBeeLock,
  removeUnusedWheels,
  type WheelEntry,
  wheelFile,
  wheelFolder,
  withBeeLock,
  writeBeeLock,
} from '../config/bee-lock.ts'
import { refuseConflict } from '../config/bee-registry.ts'
import { loadConfig } from '../config/config.ts'
import { type DeclaredBee, declaredBees } from '../swarms/declared-bees.ts'
import type { AddedBee } from './bees-add.ts'

/**
 * True for a package that is certainly a Python package: a wheel, a folder with a `pyproject.toml`, or a package that the lock file has as a Python
 * package.
 */
export function isPythonPackage(target: string, directory: string): boolean {
  if (isOnDisk(target)) return true
  return [...readBeeLock(directory).values()].some(({ package: name, python }) => python !== undefined && name === target)
}

/**
 * Makes the bee types of a Python package available to the swarm of a directory. The lock file gets the version and the hash of the package's wheel
 * and of the wheels of its dependencies. The environment is made from exactly these wheels.
 */
export async function addPythonPackage(target: string, directory: string): Promise<readonly AddedBee[]> {
  if (target.endsWith('.whl') && !existsSync(target))
    throw new WaggleError('WAGGLE_BEE_PACKAGE', {
      message: `There is no wheel ${target}`,
      next: 'Build the wheel, for example with pip wheel --no-deps FOLDER.',
    })
  if (!isOnDisk(target) && !indexName.test(target))
    throw new WaggleError('WAGGLE_BEE_PACKAGE', {
      message: `${JSON.stringify(target)} is neither a wheel, a folder with a pyproject.toml, nor a name of the Python package index`,
      next: 'Name a package, such as ./dist/waggle_bee_words-1.0-py3-none-any.whl or waggle-bee-words==1.0.',
    })
  const { settings } = loadConfig({ directories: [directory, process.cwd()], env: process.env })
  const folder = resolve(settings.data_dir, 'python')
  const interpreter = await findInterpreter()
  const tools = { clock: systemClock, guardian: new Guardian({ finishMs: 0, termMs: 0 }), signal: new AbortController().signal }
  const lock = resolve(directory, lockName)
  const withEnvironment = async <T>(environments: VirtualEnvironments, wheels: readonly LockedWheel[], use: (python: string) => Promise<T>) => {
    const { python, release } = await environments.use(interpreter, lockedRequirements(lock, wheels), (line) => process.stderr.write(`${line}\n`))
    return use(python).finally(release)
  }
  // The data directory has its own mode, so it is made before the environments inside.
  makeDirectory(settings.data_dir)
  // Only an environment of venv certainly has pip. Packages of other environments do not influence this pip.
  const resolving = new VirtualEnvironments({ ...tools, directory: join(folder, 'resolver'), path: '' })
  const wanted = isOnDisk(target) ? resolve(target) : target
  return withEnvironment(resolving, [], (pip) =>
    withResolvedPackage(wanted, { ...tools, python: pip }, async (found) => {
      refuseChanged(found, readBeeLock(directory), directory)
      const bees = await withEnvironment(new VirtualEnvironments({ ...tools, directory: folder }), found.wheels, (python) =>
        declaredBees(python, found.name, { ...tools, limitMs: loadMs }),
      )
      return withBeeLock(directory, () => {
        // Another process may have written the lock file meanwhile.
        const before = readBeeLock(directory)
        refuseChanged(found, before, directory)
        for (const bee of bees) refuseTaken(bee, found, before, directory)
        return write(found, bees, before, directory)
      })
    }),
  )
}

function isOnDisk(target: string): boolean {
  return target.endsWith('.whl') || existsSync(join(target, 'pyproject.toml'))
}

/** Throws if the lock file has one of these wheels in the same version with another hash, whichever package needs it. */
function refuseChanged({ wheels }: ResolvedPackage, before: ReadonlyMap<string, LockedBee>, directory: string): void {
  const locked = [...before.values()].flatMap(({ python }) => python?.wheels ?? [])
  const changed = wheels.find(({ name, version, sha256 }) =>
    locked.some((one) => one.name === name && one.version === version && one.sha256 !== sha256),
  )
  if (changed === undefined) return
  throw new WaggleError('WAGGLE_BEE_PACKAGE', {
    message: `The wheel of ${changed.name} ${changed.version} is not the one of ${join(directory, lockName)}`,
    next: 'If you have changed the package, give it a new version. If it was added on another platform, take the types whose entries name it out of the lock file first, with waggle bees remove TYPE. Otherwise someone else has changed it: find out who.',
  })
}

function refuseTaken(
  { type, module, declaration }: DeclaredBee,
  { name, wheels }: ResolvedPackage,
  before: ReadonlyMap<string, LockedBee>,
  directory: string,
): void {
  refuseConflict(packageBee({ type, module, wheels, lock: '', declaration }), new BeeRegistry())
  const other = before.get(type)
  if (other === undefined || (other.package === name && other.python !== undefined)) return
  throw new WaggleError('WAGGLE_BEE_PACKAGE', {
    message: `${join(directory, lockName)} has the bee type ${type} from ${other.package}${other.python === undefined ? ' (npm)' : ''}`,
    next: `Use one of the two packages: waggle bees remove ${type} makes room for ${name}.`,
  })
}

function write(found: ResolvedPackage, bees: readonly DeclaredBee[], before: ReadonlyMap<string, LockedBee>, directory: string): readonly AddedBee[] {
  const { name, version } = found
  const integrity = integrityOf(name, found.wheels)
  const wheels = found.wheels.map((wheel) => keptWheel(wheel, directory))
  const others = [...before].filter(([, one]) => one.python === undefined || one.package !== name)
  const own = bees.map(
    ({ type, module, declaration }) => [type, { package: name, version, integrity, python: { module, wheels, declares: declaration } }] as const,
  )
  const locked = new Map<string, LockedBee>([...others, ...own])
  writeBeeLock(directory, locked)
  removeUnusedWheels(directory, locked)
  const old = [...before.values()].find((one) => one.python !== undefined && one.package === name)?.version ?? null
  return bees.map(({ type, declaration: { summary } }) => ({ type, package: name, version, integrity, summary, before: old }))
}

/** Keeps a wheel beside the lock file if no package index has the wheel, because other machines could not download it. */
function keptWheel({ name, version, sha256, path }: ResolvedPackage['wheels'][number], directory: string): WheelEntry {
  if (path === null) return { name, version, sha256 }
  const file = basename(path)
  if (!wheelFile.test(file))
    throw new WaggleError('WAGGLE_BEE_PACKAGE', {
      message: `${file} is not the name of a wheel`,
      next: 'Give the file the name with which it was built.',
    })
  const kept = resolve(directory, wheelFolder, file)
  makeDirectory(resolve(directory, wheelFolder), '', 0o777)
  if (kept !== resolve(path)) copyFileSync(path, kept)
  return { name, version, sha256, file }
}

function integrityOf(name: string, wheels: ResolvedPackage['wheels']): string {
  return `sha256-${Buffer.from(wheels.find((wheel) => wheel.name === name)?.sha256 ?? '', 'hex').toString('base64')}`
}

/**
 * A name of the package index, with an optional version (PEP 508). The name never begins with a dash, so pip cannot mistake the name for an option.
 */
const indexName =
  /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,200}[A-Za-z0-9])?(?:(?:[=!<>~]=|[<>])[A-Za-z0-9.*+!_-]{1,100}(?:,(?:[=!<>~]=|[<>])[A-Za-z0-9.*+!_-]{1,100}){0,9})?$/
const loadMs = 60_000
