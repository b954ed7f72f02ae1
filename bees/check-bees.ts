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

/** What a file alone cannot tell: whether the specs fit what they name. WAGGLE_INVALID_SWARM with all that does not, and its place. */
export async function checkBees(swarm: CheckedSwarm, { registry, models, resolve }: BeeCheckOptions): Promise<void> {
  const mistakes: WaggleError[] = []
  /** To look into a model starts a thread: bees of one type and one spec are looked into once. */
  const right = new Set<string>()
  for (const [at, bee] of swarm.bees.entries()) {
    const check = registry.find(bee.type.type)?.definition.check
    // What a secret names is known when it runs.
    const key = `${bee.type.type} ${JSON.stringify(bee.spec)}`
    if (check === undefined || key.includes('{{') || right.has(key) || mistakes.length >= enoughMistakes) continue
    try {
      await check({ bee: bee.name, spec: bee.spec as never, resolve, ports: { models } })
      right.add(key)
    } catch (thrown) {
      if (!(thrown instanceof WaggleError)) throw thrown
      // What is on another machine is not wrong because it is not on this one.
      if (thrown.code !== 'WAGGLE_NOT_RESOLVED') mistakes.push(thrown.at(swarm.document.place(['bees', at, 'spec'])))
    }
  }
  if (mistakes.length > 0) throw invalidSwarm(swarm.document.file, mistakes)
}
