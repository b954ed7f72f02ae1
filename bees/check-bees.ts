import type { CheckedSwarm, SwarmBee } from '../topology/swarm/checked-swarm.ts'
import { enoughMistakes, invalidSwarm } from '../topology/swarm/document.ts'
import { WaggleError } from '../topology/waggle-error.ts'
import type { BeeCheckContext } from './define-bee.ts'
import type { BeeRegistry } from './registry.ts'

export interface BeeCheckOptions extends Pick<BeeCheckContext<never>, 'ports' | 'resolve' | 'resolveCommand'> {
  readonly registry: BeeRegistry
}

/**
 * Checks that each spec fits the model, module, program or file that it names. Throws WAGGLE_INVALID_SWARM with every mistake and its place in the swarm file.
 * Gives warnings about what is not on this machine: it may be on the one that runs the bee.
 */
export async function checkBees(swarm: CheckedSwarm, { registry, ...context }: BeeCheckOptions): Promise<readonly WaggleError[]> {
  const mistakes: WaggleError[] = []
  const warnings: WaggleError[] = []
  /** Bees of one type and one spec are checked once: a check may open a model, which starts a thread. */
  const found = new Map<string, WaggleError | null>()
  for (const [at, bee] of swarm.bees.entries()) {
    const check = registry.find(bee.type.type)?.definition.check
    const key = `${bee.type.type} ${JSON.stringify(bee.spec)}`
    // A spec with a placeholder (`{{`) is not checked: its secret is not set here.
    if (check === undefined || key.includes('{{') || mistakes.length >= enoughMistakes) continue
    const known = found.get(key)
    const mistake = known === undefined ? await mistakeOf(check({ ...context, bee: bee.name, spec: bee.spec as never })) : known
    found.set(key, mistake)
    if (mistake === null) continue
    const list = mistake.code === 'WAGGLE_NOT_RESOLVED' ? warnings : mistakes
    list.push(mistake.at(swarm.document.place(['bees', at, 'spec', ...keyAtFault(mistake, bee)])))
  }
  if (mistakes.length > 0) throw invalidSwarm(swarm.document.file, mistakes)
  return warnings
}

async function mistakeOf(check: Promise<void>): Promise<WaggleError | null> {
  try {
    await check
    return null
  } catch (thrown) {
    if (thrown instanceof WaggleError) return thrown
    throw thrown
  }
}

/** The setting of the spec that names the file or program at fault; none where the spec as a whole does not fit. */
function keyAtFault({ code }: WaggleError, { spec }: SwarmBee): readonly string[] {
  const keys: readonly string[] = code === 'WAGGLE_MODEL_SHAPE' ? [] : ['file', 'model', 'image', 'container', 'command', 'table', 'weights']
  return keys.filter((key) => Object.hasOwn(spec, key)).slice(0, 1)
}
