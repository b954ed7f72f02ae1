import { type CheckedSwarm, feederOf, type SwarmBee } from '../topology/swarm/checked-swarm.ts'
import { enoughMistakes, invalidSwarm, mistakeAt } from '../topology/swarm/document.ts'
import { WaggleError } from '../topology/waggle-error.ts'
import type { BeeCheckContext, BeeFindings } from './define-bee.ts'
import type { BeeRegistry } from './registry.ts'
import { VersionMistake } from './served-model/version-spec.ts'

export interface BeeCheckOptions extends Pick<BeeCheckContext<never>, 'ports' | 'resolve' | 'resolveCommand'> {
  readonly registry: BeeRegistry
  /** Set: a file that is missing on this machine is a warning and not a mistake. A plan does not need it. */
  readonly mayBeMissing?: true
}

export interface CheckedBees {
  /** Findings about the bees, by name. */
  readonly found: ReadonlyMap<string, BeeFindings>
  /** Names that are missing on this machine. The machine that runs the bee may have them. */
  readonly warnings: readonly WaggleError[]
}

/**
 * Checks that each spec fits the model, module, program or file that it names, and that neighbouring bees fit each other. Throws WAGGLE_INVALID_SWARM
 * with every mistake and its place in the swarm file.
 */
export async function checkBees(swarm: CheckedSwarm, { registry, mayBeMissing, ...context }: BeeCheckOptions): Promise<CheckedBees> {
  const mistakes: WaggleError[] = []
  const warnings: WaggleError[] = []
  const found = new Map<string, BeeFindings>()
  /** A check may open a model, which starts a thread. So bees of the same type, spec and inputs are checked once. */
  const known = new Map<string, BeeFindings | WaggleError>()
  const specs = new Map(swarm.bees.map((bee) => [bee.name, bee.spec]))
  const missing = new Set([
    'WAGGLE_NOT_RESOLVED',
    'WAGGLE_MODEL_SERVER_AWAY',
    ...(mayBeMissing ? ['WAGGLE_FILE_NOT_FOUND', 'WAGGLE_MODEL_NOT_FOUND'] : []),
  ])
  const inOrder = [...swarm.bees.entries()].toSorted(([, a], [, b]) => Number(a.type.role === 'value') - Number(b.type.role === 'value'))
  for (const [at, bee] of inOrder) {
    const check = registry.find(bee.type.type)?.definition.check
    const key = `${bee.type.type} ${JSON.stringify(bee.spec)} ${bee.type.role === 'value' ? bee.name : ''}`
    // A spec with a placeholder (`{{`) is not checked, because its secret is not set here.
    if (check === undefined || key.includes('{{') || mistakes.length >= enoughMistakes) continue
    const inputs = findingsOf(swarm, bee, found)
    const outcome =
      known.get(key) ?? (await outcomeOf(check({ ...context, swarm: swarm.name, bee: bee.name, spec: bee.spec as never, specs, inputs })))
    known.set(key, outcome)
    if (!(outcome instanceof WaggleError)) found.set(bee.name, outcome)
    else {
      const list = missing.has(outcome.code) ? warnings : mistakes
      list.push(outcome.at(swarm.document.place(['bees', at, ...keyAtFault(outcome, bee)])))
    }
  }
  addMisfits(swarm, found, mistakes)
  if (mistakes.length > 0) throw invalidSwarm(swarm.document.file, mistakes)
  return { found, warnings }
}

async function outcomeOf(check: Promise<BeeFindings | undefined>): Promise<BeeFindings | WaggleError> {
  try {
    return (await check) ?? {}
  } catch (thrown) {
    if (thrown instanceof WaggleError) return thrown
    throw thrown
  }
}

/**
 * The key of the bee to blame: the setting that names the file or program, else the spec. If the models of an ensemble do not fit each other, its
 * input.
 */
function keyAtFault(error: WaggleError, { spec, type }: SwarmBee): readonly string[] {
  if (error instanceof VersionMistake) return ['spec', error.setting]
  const { code } = error
  if (type.role === 'value' && code === 'WAGGLE_MODEL_SHAPE') return ['input']
  // A bee may name two files, and the message names the one at fault.
  if (typeof spec.labels === 'string' && error.message.includes(spec.labels)) return ['spec', 'labels']
  const keys: readonly string[] = code === 'WAGGLE_MODEL_SHAPE' ? [] : ['file', 'model', 'url', 'image', 'container', 'command', 'table', 'weights']
  return ['spec', ...keys.filter((key) => Object.hasOwn(spec, key)).slice(0, 1)]
}

/** Compares the output types of bees with the inputs that their readers accept. */
function addMisfits(swarm: CheckedSwarm, found: ReadonlyMap<string, BeeFindings>, mistakes: WaggleError[]): void {
  for (const [at, bee] of swarm.bees.entries()) {
    if (bee.input === null || bee.input.kind === 'join') continue
    for (const [item, name] of bee.input.bees.entries()) {
      const feeder = feederOf(swarm, name)
      const wrong = feeder?.type.output == null ? null : (found.get(bee.name)?.misfit?.(feeder.type.output) ?? null)
      if (wrong === null || mistakes.length >= enoughMistakes) continue
      const place = swarm.document.place(bee.input.kind === 'name' ? ['bees', at, 'input', 'name'] : ['bees', at, 'input', 'stack', item])
      mistakes.push(
        mistakeAt(place, `${feeder?.name} ${wrong} by ${bee.name}`, `Put a bee between them that makes of the one what ${bee.name} takes.`),
      )
    }
  }
}

/** Findings about the bees that a bee reads. A batch is replaced by its input. */
function findingsOf(swarm: CheckedSwarm, bee: SwarmBee, found: ReadonlyMap<string, BeeFindings>): ReadonlyMap<string, BeeFindings> {
  const inputs = new Map<string, BeeFindings>()
  for (const name of bee.input?.bees ?? []) {
    const findings = found.get(feederOf(swarm, name)?.name ?? '')
    if (findings !== undefined) inputs.set(name, findings)
  }
  return inputs
}
