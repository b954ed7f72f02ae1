import { existsSync, readdirSync } from 'node:fs'
import { dirname, extname, join, relative } from 'node:path'
import { readBounded } from '../../connectors/system/bounded-file.ts'
import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import { maxSwarmBytes, SwarmDocument } from '../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type LockedBee, lockName, readBeeLock, removeUnusedWheels, withBeeLock, writeBeeLock } from '../config/bee-lock.ts'
import { exitStatus } from './exit-status.ts'

export interface BeesRemoveOptions {
  /** The swarm file. The lock file is in the same folder. */
  readonly swarm: string
  readonly json: boolean
}

/**
 * `waggle bees remove NAME`: takes a bee type, or all bee types of a package, out of the swarm's lock file. A type that a swarm file of the same
 * folder still names is refused. The package itself is not loaded, so a package that is missing or has changed can be removed too.
 */
export function beesRemove(name: string, { swarm, json }: BeesRemoveOptions): number {
  const directory = dirname(swarm)
  const lock = join(directory, lockName)
  if (swarm !== defaultSwarm && !existsSync(swarm))
    throw new WaggleError('WAGGLE_FILE_NOT_FOUND', { message: `There is no file ${swarm}`, next: 'Name a swarm file with --swarm.' })
  const { removed, left } = withBeeLock(directory, () => {
    const locked = new Map(readBeeLock(directory))
    const rows = [...locked].filter(([type, entry]) => type === name || (entry.package === name && !locked.has(name)))
    if (rows.length === 0) throw notThere(name, lock, locked)
    refuseUsed(new Set(rows.map(([type]) => type)), swarm)
    for (const [type] of rows) locked.delete(type)
    writeBeeLock(directory, locked)
    removeUnusedWheels(directory, locked)
    return { removed: rows, left: locked }
  })
  process.stdout.write(json ? removed.map((one) => `${JSON.stringify(rowOf(one, lock))}\n`).join('') : textOf(removed, left, lock))
  return exitStatus.done
}

/** The swarm file where none is named. The folder of a lock file need not have it. */
const defaultSwarm = 'swarm.yaml'

type Entry = readonly [type: string, entry: LockedBee]

function rowOf([type, { package: name, version, integrity }]: Entry, lock: string) {
  return { type, package: name, version, integrity, lock }
}

function textOf(removed: readonly Entry[], left: ReadonlyMap<string, LockedBee>, lock: string): string {
  const lines = removed.map(([type, { package: name, version }]) => `${type} of ${name} ${version}\n`)
  const packages = new Set(removed.flatMap(([, { package: name, python }]) => (python === undefined ? [name] : [])))
  const unused = [...packages].filter((name) => ![...left.values()].some((one) => one.package === name && one.python === undefined))
  const npm = unused.length === 0 ? '' : `npm still has the package: npm uninstall ${unused.join(' ')}\n`
  return `${lines.join('')}${removed.length === 1 ? 'It is' : 'They are'} no longer in ${lock}.\n${npm}`
}

function notThere(name: string, lock: string, locked: ReadonlyMap<string, LockedBee>): WaggleError {
  const names = [...new Set([...locked].flatMap(([type, entry]) => [type, entry.package]))]
  const known = names.length === 0 ? 'Name the swarm file beside the lock file with --swarm.' : `It has ${names.join(', ')}.`
  const hint = didYouMean(name, names)
  return new WaggleError('WAGGLE_BEE_PACKAGE', {
    message: `${lock} has no bee type and no package ${name}`,
    next: hint === '' ? known : `${hint.charAt(0).toUpperCase()}${hint.slice(1)}`,
  })
}

/** Throws with the place of the first bee whose type is one of these, in the named swarm file or in another one of its folder. */
function refuseUsed(types: ReadonlySet<string>, swarm: string): void {
  const directory = dirname(swarm)
  const named = relative(directory, swarm)
  for (const file of readdirSync(directory).sort()) {
    if (file !== named && !['.yaml', '.yml'].includes(extname(file))) continue
    const path = join(directory, file)
    const used = documentOf(path, (text) => file === named || [...types].some((type) => text.includes(type)))
    const bees = used === null ? [] : beesIn(used.value)
    const at = bees.findIndex((bee) => typeof bee === 'object' && bee !== null && 'type' in bee && types.has(String(bee.type)))
    if (used === null || at === -1) continue
    throw new WaggleError('WAGGLE_BEE_PACKAGE', {
      message: `A bee has the type ${String(Reflect.get(bees[at] as object, 'type'))} here`,
      next: 'Take the bee out of the swarm file first, or give it another type.',
      place: used.place(['bees', at, 'type']),
    })
  }
}

/**
 * The document of a YAML file. A file that cannot be read as YAML is refused if `mayUse` its text, because it may be a swarm with a mistake. Null for
 * one that may not: the file of another program, such as a template of Helm.
 */
function documentOf(file: string, mayUse: (text: string) => boolean): SwarmDocument | null {
  const bytes = readBounded(file, { maxBytes: maxSwarmBytes, next: 'Name a swarm file.' })
  try {
    return SwarmDocument.read(bytes, file)
  } catch (thrown) {
    if (thrown instanceof WaggleError && !mayUse(Buffer.from(bytes).toString())) return null
    throw thrown
  }
}

function beesIn(value: unknown): readonly unknown[] {
  return typeof value === 'object' && value !== null && 'bees' in value && Array.isArray(value.bees) ? value.bees : []
}
