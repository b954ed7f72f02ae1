import { Refused } from '../../waggle-error.ts'
import type { SwarmBee } from '../checked-swarm.ts'

/**
 * The bees of a swarm with their shadows. A shadow is a second bee of the same type, with another spec, that reads the same input. Each sink that
 * reads the bee reads its shadow too. No other bee reads the shadow, so no answer depends on it. Shadows come last: the sub-topologies of the other
 * bees keep their ids.
 */
export function withShadows(bees: readonly SwarmBee[]): readonly SwarmBee[] {
  const shadows = bees.flatMap((bee) => {
    const spec = bee.type.shadow?.(bee.spec) ?? null
    return spec === null ? [] : [{ ...bee, name: shadowOf(bee.name), spec, shadows: bee.name }]
  })
  if (shadows.length === 0) return bees
  const shadowed = new Set(shadows.map(({ shadows: name }) => name))
  return [...bees.map((bee) => readingShadows(bee, shadowed)), ...shadows]
}

/**
 * The outcome of a row that a shadow does not compute. Either the bee itself is busy, or the shadow is too far behind. The row counts as refused, and
 * no result is written for it.
 */
export class ShadowDropped extends Refused {
  constructor(shadow: string) {
    super(`${shadow} was not called, because its bee was busy`)
  }
}

/** The name of a bee's shadow. */
export function shadowOf(bee: string): string {
  return `${bee}-shadow`
}

function readingShadows(bee: SwarmBee, shadowed: ReadonlySet<string>): SwarmBee {
  if (bee.type.role !== 'sink' || bee.input === null || bee.input.kind === 'join') return bee
  const shadows = bee.input.bees.filter((name) => shadowed.has(name)).map(shadowOf)
  return shadows.length === 0 ? bee : { ...bee, input: { kind: 'stack', bees: [...bee.input.bees, ...shadows] } }
}
