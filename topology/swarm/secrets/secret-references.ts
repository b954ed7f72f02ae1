import type { TSchema } from 'typebox'
import { WaggleError } from '../../waggle-error.ts'
import { didYouMean } from '../check/nearest-name.ts'
import type { CheckedSwarm } from '../checked-swarm.ts'
import type { Secrets } from '../ports/secrets.ts'
import { mistakeAt, type Path, type SwarmDocument } from '../swarm-document.ts'
import { isSecretText, Secret } from './secret.ts'

/** `{{ secrets.NAME }}` in any string of a swarm file. */
const reference = /\{\{\s*([^{}]*?)\s*\}\}/g
const secretName = /^secrets\.([A-Za-z_][A-Za-z0-9_]*)$/

export function secretMistakes(document: SwarmDocument): readonly WaggleError[] {
  const mistakes: WaggleError[] = []
  eachString(document.value, [], (text, path) => {
    if (!text.includes('{{')) return
    for (const [whole, inside] of text.matchAll(reference)) {
      if (!secretName.test(inside ?? '')) mistakes.push(mistakeAt(document.place(path), `${whole} names no secret`, 'Write {{ secrets.NAME }}.'))
    }
  })
  return mistakes
}

export interface FilledSecrets {
  readonly secrets: Secrets
  /** The schema of the value. Texts that it marks as `secretText` become a `Secret`. In all other texts the values are in clear. */
  readonly schema: TSchema
  /** The list to which a mistake, with its place, is added for each secret that is missing or unreadable. */
  readonly mistakes: WaggleError[]
}

/** The value with every secret filled in. A text with a missing secret is left unchanged. */
export function withSecrets<T>(document: SwarmDocument, value: T, at: Path, { secrets, schema, mistakes }: FilledSecrets): T {
  const replaced = (text: string, path: Path, isSecret: boolean): string | Secret => {
    if (namesIn(text).length === 0) return text
    let isComplete = true
    const filled = text.replaceAll(reference, (whole: string, inside: string) => {
      const name = secretName.exec(inside)?.[1]
      if (name === undefined) return whole
      const secret = foundSecret(secrets, name, document.place(path), mistakes)
      isComplete &&= secret !== null
      return secret?.reveal() ?? whole
    })
    if (!isComplete) return text
    return isSecret ? new Secret(filled, text) : filled
  }
  const walk = (node: unknown, path: Path, inner: TSchema | undefined): unknown => {
    if (typeof node === 'string') return replaced(node, path, isSecretText(inner))
    if (Array.isArray(node)) return node.map((item, index) => walk(item, [...path, index], schemaAt(inner, index)))
    if (node !== null && typeof node === 'object')
      return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, walk(item, [...path, key], schemaAt(inner, key))]))
    return node
  }
  return walk(value, at, schema) as T
}

/** A warning for each command that contains a secret. Every user of a machine can read the arguments of its processes. */
export function secretWarnings({ document, bees }: Pick<CheckedSwarm, 'document' | 'bees'>): readonly WaggleError[] {
  return bees.flatMap(({ name, spec }, at) => {
    const [secret] = secretNames(spec.command)
    if (secret === undefined) return []
    const message = `the command of ${name} has the secret ${secret} in it, which every user of the machine can then read in the list of its processes`
    return [
      mistakeAt(document.place(['bees', at, 'spec', 'command']), message, 'Put the secret into env, and let the program read the secret from there.'),
    ]
  })
}

/** The names in all `{{ secrets.NAME }}` of a value. */
export function secretNames(value: unknown): ReadonlySet<string> {
  const names = new Set<string>()
  eachString(value, [], (text) => {
    for (const name of namesIn(text)) names.add(name)
  })
  return names
}

/** True for a name that `{{ secrets.NAME }}` may have. */
export function isSecretName(name: string): boolean {
  return secretName.test(`secrets.${name}`)
}

function namesIn(text: string): readonly string[] {
  return text.includes('{{') ? [...text.matchAll(reference)].flatMap(([, inside = '']) => secretName.exec(inside)?.[1] ?? []) : []
}

function foundSecret(secrets: Secrets, name: string, place: string, mistakes: WaggleError[]): Secret | null {
  try {
    const secret = secrets.find(name)
    if (secret !== null) return secret
    const hint = didYouMean(name, secrets.names())
    mistakes.push(mistakeAt(place, `there is no secret ${name}`, `${secrets.howToSet(name)}${hint === '' ? '.' : `, or ${hint}`}`))
  } catch (thrown) {
    if (!(thrown instanceof WaggleError)) throw thrown
    mistakes.push(mistakeAt(place, thrown.message, thrown.next))
  }
  return null
}

/** The schema of a member. Alternatives (`anyOf`) are not searched; for them the result is undefined. */
function schemaAt(schema: TSchema | undefined, key: string | number): TSchema | undefined {
  if (schema === undefined) return undefined
  const { properties, patternProperties, additionalProperties, items } = schema as {
    readonly [keyword: string]: { readonly [key: string]: TSchema } | undefined
  }
  if (typeof key === 'number') return items as TSchema | undefined
  const own = properties !== undefined && Object.hasOwn(properties, key) ? properties[key] : undefined
  const [pattern] = Object.values(patternProperties ?? {})
  return own ?? pattern ?? (typeof additionalProperties === 'object' ? (additionalProperties as TSchema) : undefined)
}

function eachString(node: unknown, path: Path, found: (text: string, path: Path) => void): void {
  if (typeof node === 'string') found(node, path)
  else if (Array.isArray(node)) node.forEach((item, index) => eachString(item, [...path, index], found))
  else if (node !== null && typeof node === 'object') for (const [key, item] of Object.entries(node)) eachString(item, [...path, key], found)
}
