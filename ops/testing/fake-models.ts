import type { BeeType } from '../../bees/define-bee.ts'
import { BeeRegistry } from '../../bees/registry.ts'
import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { SwarmSource } from '../swarms/swarm-source.ts'

/** Functions that replace bees, by the names of the bees. */
export type Fakes = { readonly [bee: string]: (input: unknown) => unknown }

/** The swarm with a function in place of each bee that has a fake. The input, the batches and the time limit of such a bee stay. */
export function withFakes(source: SwarmSource, fakes: Fakes): SwarmSource {
  const types: BeeType[] = []
  const bees = new Map(source.swarm.bees.map((bee) => [bee.name, bee]))
  for (const [name, fake] of Object.entries(fakes)) {
    const bee = bees.get(name)
    if (bee === undefined) throw unknownBee(name, bees.keys())
    const type = fakeOf(bee, source.registry, fake)
    types.push(type)
    bees.set(name, { ...bee, type })
  }
  return { ...source, registry: new BeeRegistry([...types, ...source.registry.types]), swarm: { ...source.swarm, bees: [...bees.values()] } }
}

/** The error for a name that no bee of the swarm has. */
export function unknownBee(name: string, names: Iterable<string>): WaggleError {
  const all = [...names]
  const hint = didYouMean(name, all)
  return new WaggleError('WAGGLE_UNKNOWN_BEE', {
    message: `The swarm has no bee ${name}`,
    next: hint === '' ? `Use one of ${all.join(', ')}.` : `${hint.charAt(0).toUpperCase()}${hint.slice(1)}`,
  })
}

function fakeOf(bee: SwarmBee, registry: BeeRegistry, fake: (input: unknown) => unknown): BeeType {
  const type = registry.find(bee.type.type)
  if (type === null || (bee.type.role !== 'call' && bee.type.role !== 'value'))
    throw new WaggleError('WAGGLE_INVALID_CONFIG', {
      message: `${bee.name} is a ${bee.type.type}, which cannot have a fake`,
      next: 'Fake bees that compute: models, modules, programs, ensembles.',
    })
  const { shadow: _, ...info } = type
  return {
    ...info,
    type: `${type.type} (the fake of ${bee.name})`,
    aliases: [],
    definition: { ...type.definition, create: () => ({ process: (input: unknown) => fake(input) }) },
  }
}
