import { WaggleError } from '../../waggle-error.ts'
import type { BeeCatalog } from '../bee-type.ts'
import type { CheckedSwarm, SwarmBee } from '../checked-swarm.ts'
import { shadowOf } from '../plan/shadow-bees.ts'
import { secretMistakes } from '../secrets/secret-references.ts'
import { invalidSwarm, mistakeAt, type Path, type SwarmDocument } from '../swarm-document.ts'
import { withAnswer } from './answering-bees.ts'
import { checkGraph, specOf } from './check-graph.ts'
import { topicMistakes } from './check-topics.ts'
import { didYouMean } from './nearest-name.ts'
import { inputOf, type RawBee } from './raw-bee.ts'
import { SchemaChecker } from './schema-checker.ts'
import { soughtType } from './sought-type.ts'
import { swarmSchema } from './swarm-schema.ts'

/** Checks a whole swarm file. WAGGLE_INVALID_SWARM lists every mistake with its place and the most similar right name. */
export function checkSwarm(document: SwarmDocument, catalog: BeeCatalog): CheckedSwarm {
  const mistakes: WaggleError[] = [...secretMistakes(document)]
  const schemas = new SchemaChecker(document, mistakes)
  const isShaped = schemas.check(swarmSchema, document.value, [])
  const raw = document.value as RawSwarm
  const bees: SwarmBee[] = []
  const indexes: number[] = []
  for (const [index, bee] of beesOf(raw).entries()) {
    const type = typeof bee.type === 'string' ? catalog.find(bee.type) : null
    if (typeof bee.type === 'string' && type === null) {
      const names = catalog.types.flatMap((one) => [one.type, ...one.aliases])
      const hint = soughtType(bee.type) || didYouMean(bee.type, names)
      mistakes.push(
        mistakeAt(
          document.place(['bees', index, 'type']),
          `there is no bee type ${bee.type}`,
          hint === '' ? `Use one of ${names.join(', ')}.` : hint,
        ),
      )
    }
    if (type !== null) {
      // The specs of gateways and outputs name topics, which the plan needs.
      const fillsSecrets = type.role !== 'gateway' && type.role !== 'output'
      schemas.check(type.spec, bee.spec ?? {}, ['bees', index, 'spec'], { fillsSecrets })
      for (const { path, message, next } of type.mistakes?.(specOf(bee)) ?? [])
        mistakes.push(mistakeAt(document.place(['bees', index, 'spec', ...path]), message, next))
    }
    if (type === null || typeof bee.name !== 'string') continue
    bees.push(shaped(bee, type))
    indexes.push(index)
  }
  checkNames(document, raw, mistakes)
  checkGraph(document, beesOf(raw), catalog, mistakes)
  const swarm: CheckedSwarm = { name: String(raw?.name), document, bees }
  mistakes.push(...topicMistakes(swarm, indexes), ...shadowMistakes(swarm, indexes))
  if (mistakes.length > 0) throw invalidSwarm(document.file, unique(mistakes))
  if (!isShaped) throw new WaggleError('WAGGLE_INTERNAL', { message: 'A swarm failed its schema without a mistake', next: 'Report this as a bug.' })
  return { ...swarm, bees: withAnswer(bees, catalog.find('respond')) }
}

interface RawSwarm {
  readonly name?: unknown
  readonly bees?: unknown
}

function beesOf(raw: RawSwarm): readonly RawBee[] {
  return raw !== null && typeof raw === 'object' && Array.isArray(raw.bees)
    ? raw.bees.map((bee) => (bee !== null && typeof bee === 'object' ? (bee as RawBee) : {}))
    : []
}

function shaped(bee: RawBee, type: SwarmBee['type']): SwarmBee {
  const number = (value: unknown, fallback: number) => (typeof value === 'number' ? value : fallback)
  const replicas = number(bee.replicas, 1)
  return {
    name: String(bee.name),
    type,
    input: inputOf(bee.input),
    spec: (bee.spec ?? {}) as SwarmBee['spec'],
    gpu: number(bee.gpu, 0),
    replicas,
    maxReplicas: number(bee.max_replicas, replicas),
    timeoutMs: typeof bee.timeout_seconds === 'number' ? bee.timeout_seconds * 1000 : null,
    onTimeout: bee.on_timeout === 'partial' ? 'partial' : 'fail',
    onError: bee.on_error === 'skip' ? 'skip' : 'fail',
  }
}

function checkNames(document: SwarmDocument, raw: RawSwarm, mistakes: WaggleError[]): void {
  const check = (name: unknown, path: Path, taken: string) => {
    if (typeof name !== 'string') return
    if (!namePattern.test(name))
      mistakes.push(
        mistakeAt(document.place(path), `"${name}" is not a valid name`, 'Use up to 63 lower-case letters, digits and "-", starting with a letter.'),
      )
    else if (name === taken) mistakes.push(mistakeAt(document.place(path), `the name ${taken} is taken`, 'Choose another.'))
  }
  check(raw?.name, ['name'], 'gateway')
  const seen = new Set<string>()
  for (const [index, bee] of beesOf(raw).entries()) {
    check(bee.name, ['bees', index, 'name'], 'dead-letters')
    if (typeof bee.name !== 'string') continue
    if (seen.has(bee.name))
      mistakes.push(
        mistakeAt(document.place(['bees', index, 'name']), `there is a bee named ${bee.name} already`, 'Give one of the two another name.'),
      )
    seen.add(bee.name)
  }
}

/** Finds shadows whose results no sink saves, and shadows whose name another bee has. */
function shadowMistakes({ bees, document }: CheckedSwarm, indexes: readonly number[]): readonly WaggleError[] {
  return bees.flatMap((bee, at) => {
    if ((bee.type.shadow?.(bee.spec) ?? null) === null) return []
    const place = document.place(['bees', indexes[at] ?? 0, 'spec', 'shadow'])
    const isSaved = bees.some(({ type, input }) => type.role === 'sink' && input?.kind !== 'join' && input?.bees.includes(bee.name))
    if (!isSaved) return [mistakeAt(place, `nothing saves the second opinion of ${bee.name}`, `Let a save-to-database bee read ${bee.name}.`)]
    const name = shadowOf(bee.name)
    return bees.some((other) => other.name === name)
      ? [mistakeAt(place, `a bee has the name ${name} of the shadow`, 'Give that bee another name.')]
      : []
  })
}

/** A bee's name becomes part of a topic's name. */
const namePattern = /^[a-z][a-z0-9-]{0,62}$/

function unique(mistakes: readonly WaggleError[]): readonly WaggleError[] {
  return [...new Map(mistakes.map((mistake) => [`${mistake.place} ${mistake.message}`, mistake])).values()]
}
