import type { PayloadType } from '../../topology/swarm/bee-type.ts'
import { neverJoined } from '../../topology/swarm/check/check-branches.ts'
import { misfit as typeMisfit } from '../../topology/swarm/check/payload-fit.ts'
import { type BeeInput, type CheckedSwarm, feederOf, readersIn, type SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import { secretNames } from '../../topology/swarm/secrets/secret-references.ts'
import { shownAddress } from '../../topology/swarm/secrets/shown-address.ts'
import { enoughMistakes, invalidSwarm, mistakeAt } from '../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { BeeCheckContext, BeeFindings, BeeType } from '../define-bee.ts'
import { VersionMistake } from '../model/version-spec.ts'
import type { BeeRegistry } from '../registry.ts'
import { unreadSettings } from './unread-settings.ts'

export interface BeeCheckOptions extends Pick<BeeCheckContext<never>, 'ports' | 'resolve' | 'resolveCommand'> {
  readonly registry: BeeRegistry
  /**
   * If true, a file that is missing on this machine is a warning instead of a mistake. `waggle plan` sets this option, because a plan does not need
   * the file.
   */
  readonly mayBeMissing?: true
}

export interface CheckedBees {
  /** Findings about the bees, by name. */
  readonly found: ReadonlyMap<string, BeeFindings>
  /** Warnings, for example about files that are missing on this machine and that another machine may have. */
  readonly warnings: readonly WaggleError[]
}

/**
 * Checks that each spec fits the model, module, program or file that it names, and that neighbouring bees fit each other. Throws WAGGLE_INVALID_SWARM
 * with every mistake and its place in the swarm file.
 */
export async function checkBees(swarm: CheckedSwarm, { registry, mayBeMissing, ...context }: BeeCheckOptions): Promise<CheckedBees> {
  const mistakes: WaggleError[] = []
  const warnings = [
    ...neverJoined(swarm).map(({ path, message, next }) => mistakeAt(swarm.document.place(path), message, next)),
    ...unreadSettings(swarm, registry).map(({ warning }) => warning),
  ]
  const found = new Map<string, BeeFindings>()
  const missing = new Set([
    'WAGGLE_NOT_RESOLVED',
    'WAGGLE_IMAGE_REFUSED',
    'WAGGLE_MODEL_SERVER_AWAY',
    'WAGGLE_POSTGRES_AWAY',
    ...(mayBeMissing ? ['WAGGLE_FILE_NOT_FOUND', 'WAGGLE_MODEL_NOT_FOUND'] : []),
  ])
  const outcomes = new Outcomes(swarm, { registry, ...context })
  for (const [at, bee] of swarm.bees.entries()) {
    if (mistakes.length >= enoughMistakes) break
    const outcome = await outcomes.of(bee)
    if (outcome === null) continue
    if (!(outcome instanceof WaggleError)) found.set(bee.name, outcome)
    else {
      const list = missing.has(outcome.code) ? warnings : mistakes
      list.push(outcome.at(swarm.document.place(['bees', at, ...keyAtFault(outcome, bee)])))
    }
  }
  addRemarks(swarm, found, { mistakes, warnings })
  addMisfits(swarm, found, mistakes)
  if (mistakes.length > 0) throw invalidSwarm(swarm.document.file, mistakes)
  return { found, warnings }
}

/** The outcomes of the checks of all bees. The check of one bee may ask for the outcomes of its inputs and of its readers. */
class Outcomes {
  readonly #swarm: CheckedSwarm
  readonly #options: BeeCheckOptions
  readonly #specs: ReadonlyMap<string, SwarmBee['spec']>
  readonly #readersOf: (name: string) => readonly SwarmBee[]
  /**
   * The outcomes by type and spec. A check may open a model, which starts a thread, so bees of the same type and spec are checked once, unless their
   * neighbours matter.
   */
  readonly #known = new Map<string, Promise<BeeFindings | WaggleError>>()

  constructor(swarm: CheckedSwarm, options: BeeCheckOptions) {
    this.#swarm = swarm
    this.#options = options
    this.#readersOf = readersIn(swarm.bees)
    this.#specs = new Map(swarm.bees.map((bee) => [bee.name, bee.spec]))
  }

  /** The outcome of the check of one bee; null for a bee without a check. A spec is not checked if one of its secrets is not set on this machine. */
  async of(bee: SwarmBee): Promise<BeeFindings | WaggleError | null> {
    const { registry, ports, resolve, resolveCommand } = this.#options
    const definition = registry.find(bee.type.type)?.definition
    const { check, fitsReaders = false } = definition ?? {}
    const typesOf = typesByContext(definition)
    const readers = this.#readersOf(bee.name)
    const key = JSON.stringify([bee.type.type, bee.spec, bee.type.role === 'value' || fitsReaders ? bee.name : ''])
    if ((check === undefined && typesOf === null) || secretNames(bee.spec).size > 0) return null
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const inputs =
      bee.type.role === 'value'
        ? await this.#findings((bee.input?.bees ?? []).map((name) => [name, feederOf(this.#swarm, name)]))
        : new Map<string, BeeFindings>()
    const context = {
      swarm: this.#swarm.name,
      bee: bee.name,
      spec: bee.spec as never,
      specs: this.#specs,
      ports,
      inputs,
      readers: () => this.#findings(readers.map((reader) => [reader.name, reader])),
      resolve,
      resolveCommand,
    }
    const outcome = outcomeOf(foundBy(context, check, typesOf))
    this.#known.set(key, outcome)
    return outcome
  }

  async #findings(bees: readonly (readonly [name: string, bee: SwarmBee | undefined])[]): Promise<ReadonlyMap<string, BeeFindings>> {
    const found = new Map<string, BeeFindings>()
    for (const [name, bee] of bees) {
      const outcome = bee === undefined ? null : await this.of(bee)
      if (outcome !== null && !(outcome instanceof WaggleError)) found.set(name, outcome)
    }
    return found
  }
}

/**
 * Adds the remarks of all checks to `mistakes` and `warnings`. The place of a remark is the input or the setting that it is about, or else the bee's
 * spec.
 */
function addRemarks(
  swarm: CheckedSwarm,
  found: ReadonlyMap<string, BeeFindings>,
  { mistakes, warnings }: { readonly mistakes: WaggleError[]; readonly warnings: WaggleError[] },
): void {
  for (const [at, { name, input: from }] of swarm.bees.entries()) {
    for (const { kind, input, setting, message, next } of found.get(name)?.remarks ?? []) {
      const inSpec = ['spec', ...(setting === undefined ? [] : [setting])]
      const place = swarm.document.place(['bees', at, ...(input === undefined || from === null ? inSpec : edgeOf(from, input))])
      if (mistakes.length < enoughMistakes) (kind === 'mistake' ? mistakes : warnings).push(mistakeAt(place, message, next))
    }
  }
}

/** The path, in the swarm file, of the input with this name. */
function edgeOf({ kind, bees }: BeeInput, name: string): readonly (string | number)[] {
  return kind === 'name' ? ['input', 'name'] : ['input', kind, Math.max(0, bees.indexOf(name))]
}

/** A function that gives the input and output types of a definition whose types are functions; null for any other definition. */
function typesByContext(definition: BeeType['definition'] | undefined): ((context: BeeCheckContext<never>) => Promise<BeeFindings>) | null {
  const { input, output } = definition ?? {}
  if (typeof input !== 'function' && typeof output !== 'function') return null
  return async (context) => ({
    ...(typeof input === 'function' ? { input: await input(context as never) } : {}),
    ...(typeof output === 'function' ? { output: await output(context as never) } : {}),
  })
}

async function foundBy(
  context: BeeCheckContext<never>,
  check: BeeType['definition']['check'],
  typesOf: ReturnType<typeof typesByContext>,
): Promise<BeeFindings> {
  return { ...(await typesOf?.(context)), ...(await check?.(context as never)) }
}

async function outcomeOf(check: Promise<BeeFindings | undefined>): Promise<BeeFindings | WaggleError> {
  try {
    return (await check) ?? {}
  } catch (thrown) {
    if (thrown instanceof WaggleError) return thrown
    throw thrown
  }
}

/** The path, inside the bee, of the key to correct: the setting that names the file or program, or else the spec. */
export function keyAtFault(error: WaggleError, { spec }: SwarmBee): readonly string[] {
  if (error instanceof VersionMistake) return ['spec', error.setting]
  const { code } = error
  // A bee may name a file of labels beside its model. The message tells which of the two files is wrong.
  if (typeof spec.labels === 'string' && error.message.includes(shownAddress(spec.labels))) return ['spec', 'labels']
  if (code.startsWith('WAGGLE_HTTP_CALL_')) return ['spec', error.message.startsWith('the header') ? 'headers' : 'url']
  if (code.startsWith('WAGGLE_POSTGRES_')) return ['spec', code === 'WAGGLE_POSTGRES_QUERY' ? 'query' : 'db']
  if (typeof spec.image === 'string' && error.message.includes(spec.image)) return ['spec', 'image']
  const keys: readonly string[] = code === 'WAGGLE_MODEL_SHAPE' ? [] : ['file', 'model', 'url', 'image', 'container', 'command', 'table', 'weights']
  return ['spec', ...keys.filter((key) => Object.hasOwn(spec, key)).slice(0, 1)]
}

/** Compares the output types of bees with the inputs that their readers accept. */
function addMisfits(swarm: CheckedSwarm, found: ReadonlyMap<string, BeeFindings>, mistakes: WaggleError[]): void {
  const given = new GivenTypes(swarm, found)
  for (const [at, bee] of swarm.bees.entries()) {
    const { input } = bee
    for (const name of input?.bees ?? []) {
      const output = given.by(name)
      if (output === null || input === null || mistakes.length >= enoughMistakes) continue
      const wrong = misfitOf(output.type, name, bee, found.get(bee.name) ?? {})
      if (wrong === null) continue
      const place = swarm.document.place(['bees', at, ...edgeOf(input, name)])
      mistakes.push(mistakeAt(place, `${output.bee} ${wrong} by ${bee.name}`, `Put a bee between them that makes of the one what ${bee.name} takes.`))
    }
  }
}

/** The reason why an output cannot be an input of this bee, as the end of a sentence. After a join the output is one member of the bee's input. */
function misfitOf(output: PayloadType, name: string, bee: SwarmBee, { misfit, ...findings }: BeeFindings): string | null {
  const input = findings.input ?? bee.type.input
  const isJoin = bee.input?.kind === 'join'
  if (!isJoin && misfit !== undefined) return misfit(output)
  if (input === null) return null
  if (!isJoin) return typeMisfit(output, input)
  const { properties } = input as { readonly properties?: { readonly [name: string]: PayloadType } }
  const member = properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined
  return member === undefined ? null : typeMisfit(output, member)
}

/** The output types of bees. The type of a batch, and of a bee that passes its input on, is the output type of the bee before it. */
class GivenTypes {
  readonly #bees: ReadonlyMap<string, SwarmBee>
  readonly #found: ReadonlyMap<string, BeeFindings>

  constructor({ bees }: CheckedSwarm, found: ReadonlyMap<string, BeeFindings>) {
    this.#bees = new Map(bees.map((bee) => [bee.name, bee]))
    this.#found = found
  }

  /** The type of the values that readers of this bee get, and the bee that produces these values; null if the type is unknown. */
  by(name: string): { readonly bee: string; readonly type: PayloadType } | null {
    const seen = new Set<string>()
    let bee = this.#bees.get(name)
    while (bee !== undefined && !seen.has(bee.name)) {
      seen.add(bee.name)
      const passes = bee.type.role === 'batch' || bee.type.passesInput
      const type = passes ? null : (this.#found.get(bee.name)?.output ?? bee.type.output)
      if (type !== null) return { bee: bee.name, type }
      if (!passes || bee.input?.kind !== 'name') return null
      bee = this.#bees.get(bee.input.bees[0] ?? '')
    }
    return null
  }
}
