import { dirname } from 'node:path'
import type { BeeType } from '../../bees/define-bee.ts'
import { BeeRegistry } from '../../bees/registry.ts'
import { checkSwarm } from '../../topology/swarm/check/check-swarm.ts'
import type { CheckedSwarm } from '../../topology/swarm/checked-swarm.ts'
import type { SwarmDefinition } from '../../topology/swarm/swarm-definition.ts'
import { invalidSwarm, mistakeAt, SwarmDocument } from '../../topology/swarm/swarm-document.ts'
import { userPlaceOf } from '../../topology/user-place.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import { beeRegistry } from '../config/bee-registry.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { readSwarm } from '../config/swarm-file.ts'

/** A swarm without mistakes, with the bee types that it names and the settings of its directory. */
export interface SwarmSource {
  readonly swarm: CheckedSwarm
  readonly registry: BeeRegistry
  readonly config: Config
  /** The directory to which the swarm's paths are relative. */
  readonly directory: string
}

/** Reads a swarm file. Throws WAGGLE_FILE_NOT_FOUND, WAGGLE_INVALID_CONFIG, or WAGGLE_INVALID_SWARM with every mistake. */
export function sourceOfFile(file: string): SwarmSource {
  const directory = dirname(file)
  const registry = beeRegistry(directory)
  return { swarm: readSwarm(file, registry), registry, config: configOf(directory), directory }
}

/** Checks a swarm that a program defines. Its paths are relative to the working directory. Throws WAGGLE_INVALID_SWARM with every mistake. */
export function sourceOfDefinition(definition: SwarmDefinition): SwarmSource {
  const origin = userPlaceOf(new Error('The place of the definition')) ?? 'defineSwarm'
  const mistakes: WaggleError[] = []
  const own = new Map<string, BeeType>()
  const value = named(definition, (given, at) => {
    if (typeof given === 'string' || given === null || typeof given !== 'object' || !('type' in given)) return given
    const place = `${origin}: bees[${at}].type`
    const { type } = given
    if (!isBeeType(given))
      mistakes.push(mistakeAt(place, 'type is an object that defineBee has not made', 'Give the result of defineBee, or the name of a type.'))
    else if ((own.get(given.type) ?? given) !== given)
      mistakes.push(mistakeAt(place, `two bee types have the name ${given.type}`, 'Give one of the two bee types another name.'))
    else own.set(given.type, given)
    return type
  })
  if (mistakes.length > 0) throw invalidSwarm(origin, mistakes)
  const registry = new BeeRegistry([...own.values(), ...new BeeRegistry().types])
  const directory = process.cwd()
  return { swarm: checkSwarm(SwarmDocument.ofValue(value, origin), registry), registry, config: configOf(directory), directory }
}

/** The definition in the form of a swarm file: with the names of types, and without keys whose value is undefined. */
function named(definition: unknown, nameOf: (type: unknown, at: number) => unknown): unknown {
  if (definition === null || typeof definition !== 'object' || !('bees' in definition) || !Array.isArray(definition.bees)) return definition
  const bees = definition.bees.map((bee: unknown, at) => {
    if (bee === null || typeof bee !== 'object') return bee
    const { type, ...others } = bee as { readonly type?: unknown }
    return Object.fromEntries([...Object.entries({ ...others, type: nameOf(type, at) })].filter(([, value]) => value !== undefined))
  })
  return { ...definition, bees }
}

function isBeeType(type: object): type is BeeType {
  return 'definition' in type && 'role' in type
}

function configOf(directory: string): Config {
  return loadConfig({ directories: [directory, process.cwd()], env: process.env })
}
