import type { CheckedSwarm } from '../topology/swarm/checked-swarm.ts'
import { enoughMistakes, invalidSwarm } from '../topology/swarm/document.ts'
import type { Models } from '../topology/swarm/ports/models.ts'
import { WaggleError } from '../topology/waggle-error.ts'
import type { BeeRegistry } from './registry.ts'

export interface BeeCheckOptions {
  readonly registry: BeeRegistry
  readonly models: Models
  readonly resolve: (uri: string) => Promise<string>
}

/** Checks that each spec fits the model or file that it names. Throws WAGGLE_INVALID_SWARM with every mistake and its place in the swarm file. */
export async function checkBees(swarm: CheckedSwarm, { registry, models, resolve }: BeeCheckOptions): Promise<void> {
  const mistakes: WaggleError[] = []
  /** Bees of one type and one spec are checked once: a check may open a model, which starts a thread. */
  const right = new Set<string>()
  for (const [at, bee] of swarm.bees.entries()) {
    const check = registry.find(bee.type.type)?.definition.check
    // A spec with a placeholder (`{{`) is not checked: its secret is known only at run time.
    const key = `${bee.type.type} ${JSON.stringify(bee.spec)}`
    if (check === undefined || key.includes('{{') || right.has(key) || mistakes.length >= enoughMistakes) continue
    try {
      await check({ bee: bee.name, spec: bee.spec as never, resolve, ports: { models } })
      right.add(key)
    } catch (thrown) {
      if (!(thrown instanceof WaggleError)) throw thrown
      // A model or file that is missing on this machine may be on the machine that runs the bee.
      if (thrown.code !== 'WAGGLE_NOT_RESOLVED') mistakes.push(thrown.at(swarm.document.place(['bees', at, 'spec'])))
    }
  }
  if (mistakes.length > 0) throw invalidSwarm(swarm.document.file, mistakes)
}
