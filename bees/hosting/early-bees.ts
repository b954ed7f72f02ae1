import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import { invalidSwarm, mistakeAt, type SwarmDocument } from '../../topology/swarm/swarm-document.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { Bee } from '../define-bee.ts'
import { alone, madeBy } from './created-bee.ts'
import type { HostOptions } from './host-options.ts'

export type MadeBees = ReadonlyMap<string, Bee<unknown, unknown>>

/** The bees of a swarm with their roles. `made` contains the bees that had to be created to find their role. */
export interface EarlyBees {
  readonly bees: readonly SwarmBee[]
  readonly made: MadeBees
}

/**
 * Creates the bees whose type does not state its role. The planner needs the role to divide the swarm into sub-topologies. The created bee shows its
 * role: it is either a function of requests, or steps of the DSL. Waggle's own types all state their role.
 */
export async function earlyBees(options: HostOptions, document: SwarmDocument): Promise<EarlyBees> {
  const made = new Map<string, Bee<unknown, unknown>>()
  for (const bee of undecided(options)) made.set(bee.name, await madeBy(options, bee, alone(options, bee), noReaders))
  return withRoles(options.bees, made, document)
}

/** Does the same as `earlyBees` without waiting. A bee whose `create` returns a promise counts as a function of requests. */
export function earlyBeesNow(options: HostOptions, document: SwarmDocument): EarlyBees {
  const made = new Map<string, Bee<unknown, unknown>>()
  for (const bee of undecided(options)) {
    const one = madeBy(options, bee, alone(options, bee), noReaders)
    if (!(one instanceof Promise)) made.set(bee.name, one)
    else
      one.then(
        (late) => late.close?.(),
        () => {},
      )
  }
  return withRoles(options.bees, made, document)
}

function undecided({ bees, registry }: HostOptions): readonly SwarmBee[] {
  return bees.filter(({ type }) => registry.hasOpenRole(type.type))
}

function withRoles(bees: readonly SwarmBee[], made: MadeBees, document: SwarmDocument): EarlyBees {
  const isStream = (name: string) => {
    const bee = made.get(name)
    return bee !== undefined && 'connect' in bee
  }
  const decided = bees.map((bee) => (isStream(bee.name) ? { ...bee, type: { ...bee.type, role: 'stream' as const } } : bee))
  const mistakes = decided.flatMap((bee, at) => (bee.type.role === 'stream' ? streamMistakes(bee, at, decided, document) : []))
  if (mistakes.length > 0) throw invalidSwarm(document.file, mistakes)
  return { bees: decided, made }
}

/** Mistakes of a bee that consists of DSL steps. `checkGraph` could not find these mistakes, because it did not know the role. */
function streamMistakes({ name, input, gpu }: SwarmBee, at: number, bees: readonly SwarmBee[], document: SwarmDocument): readonly WaggleError[] {
  const batches = (input?.bees ?? []).filter((from) => bees.some((bee) => bee.name === from && bee.type.role === 'batch'))
  return [
    ...batches.map((batch) =>
      mistakeAt(document.place(['bees', at, 'input']), `${name} cannot be fed batches`, `Let ${name} read what ${batch} reads.`),
    ),
    ...(gpu > 0
      ? [mistakeAt(document.place(['bees', at, 'gpu']), `${name} consists of steps of the DSL, which cannot use a GPU`, 'Remove gpu.')]
      : []),
  ]
}

const noReaders = async () => new Map<string, never>()
