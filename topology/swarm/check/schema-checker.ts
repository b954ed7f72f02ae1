import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import type { TSchema } from 'typebox'
import type { WaggleError } from '../../waggle-error.ts'
import { secretNames } from '../secrets/secret-references.ts'
import { enoughMistakes, mistakeAt, type Path, type SwarmDocument } from '../swarm-document.ts'
import { didYouMean } from './nearest-name.ts'

/** Checks values of a file against JSON Schemas, and describes each mistake in words, with its place in the file. */
export class SchemaChecker {
  readonly #document: SwarmDocument
  readonly #mistakes: WaggleError[]

  constructor(document: SwarmDocument, mistakes: WaggleError[]) {
    this.#document = document
    this.#mistakes = mistakes
  }

  /**
   * Checks one value. `at` is the value's place in the file. Returns false if the value has a mistake. `fillsSecrets`: the value's secrets are filled
   * in later (`checkFilled`).
   */
  check(schema: TSchema, value: unknown, at: Path, { fillsSecrets = false }: { readonly fillsSecrets?: boolean } = {}): boolean {
    const validate = validatorOf(schema)
    if (this.#mistakes.length >= enoughMistakes) return false
    if (validate(value)) return true
    const errors = (validate.errors ?? []).filter((error) => !fillsSecrets || !isAboutSecret(error))
    for (const error of errors.slice(0, enoughMistakes)) this.#add(error, at)
    return errors.length === 0
  }

  /** Checks a value that had no mistake before its secrets were filled in. The texts of mistakes show no value. */
  checkFilled(schema: TSchema, value: unknown, at: Path): void {
    const validate = validatorOf(schema)
    if (validate(value)) return
    for (const { instancePath, message } of (validate.errors ?? []).slice(0, enoughMistakes)) {
      const path = pathOf(instancePath, at)
      const text = `${path.at(-1)} does not fit when its secret is filled in: it ${message ?? 'has a mistake'}`
      this.#mistakes.push(mistakeAt(this.#document.place(path), text, 'Correct the secret, or the text around it.'))
    }
  }

  #add(error: ErrorObject, at: Path): void {
    const path = pathOf(error.instancePath, at)
    const name = path.length === 0 ? 'the file' : String(path[path.length - 1])
    const add = (place: string, message: string, next: string) => this.#mistakes.push(mistakeAt(place, message, next))
    const here = this.#document.place(path)
    if (isAboutSecret(error)) {
      add(here, `${name} cannot hold a secret, because the plan and the names of topics show it`, 'Write the value itself in the file.')
      return
    }
    switch (error.keyword) {
      case 'additionalProperties': {
        const key = String(error.params.additionalProperty)
        const known = keysOf(error)
        const hint = didYouMean(key, known)
        add(
          this.#document.place([...path, key], { key: true }),
          `unknown key ${key}`,
          hint !== '' ? hint : known.length > 0 ? `Known keys: ${known.join(', ')}.` : 'It takes no keys.',
        )
        return
      }
      case 'required': {
        const key = String(error.params.missingProperty)
        const described = (error.parentSchema as { properties?: { [key: string]: { description?: string } } } | undefined)?.properties?.[key]
          ?.description
        add(here, `${key} is missing`, described === undefined ? `Add ${key}.` : `Add ${key}: ${described}`)
        return
      }
      case 'minProperties': {
        const known = keysOf(error)
        add(here, `${name} is empty`, known.length > 0 ? `Set one of ${known.join(', ')}.` : 'Write at least one entry.')
        return
      }
      case 'type':
        add(here, `${name} must be ${article(error.params.type)}, not ${shown(error.data)}`, `Write ${article(error.params.type)}.`)
        return
      case 'enum':
        add(here, `${name} cannot be ${shown(error.data)}`, `Use one of ${error.params.allowedValues.join(', ')}.`)
        return
      case 'if':
      case 'anyOf':
      case 'oneOf':
        if (error.keyword === 'anyOf' || error.keyword === 'oneOf')
          add(here, `${name} is none of what it may be: ${shown(error.data)}`, 'See the bee type’s page.')
        return
      default:
        add(
          here,
          `${name} ${error.message ?? 'does not fit'}${error.data !== null && typeof error.data === 'object' ? '' : `, not ${shown(error.data)}`}`,
          `Correct ${name}.`,
        )
    }
  }
}

/** True for a mistake about a text that contains `{{ secrets.NAME }}`. The text may fit when the secret is filled in. */
function isAboutSecret({ keyword, data }: ErrorObject): boolean {
  return textKeywords.has(keyword) && secretNames(data).size > 0
}

const textKeywords: ReadonlySet<string> = new Set(['pattern', 'format', 'minLength', 'maxLength'])

function pathOf(instancePath: string, at: Path): Path {
  return [...at, ...instancePath.split('/').slice(1).map(unescaped)]
}

/** The keys that the map in an error may have. */
function keysOf({ parentSchema }: ErrorObject): readonly string[] {
  return Object.keys((parentSchema as { properties?: object } | undefined)?.properties ?? {})
}

const validators = new WeakMap<TSchema, ValidateFunction>()

/** Keeps each compiled schema. Compiling takes a few milliseconds, and the bees of a file share a few schemas. */
function validatorOf(schema: TSchema): ValidateFunction {
  const validate = validators.get(schema) ?? new Ajv2020(ajvOptions).compile(schema)
  validators.set(schema, validate)
  return validate
}

/** Makes Ajv skip the check of the schemas themselves. The schemas are Waggle's own, and the check takes 200 ms. */
const ajvOptions = { allErrors: true, strict: false, strictNumbers: true, verbose: true, meta: false, validateSchema: false }

function unescaped(step: string): string | number {
  const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
  return /^\d+$/.test(name) ? Number(name) : name
}

function article(type: unknown): string {
  const name = Array.isArray(type) ? type.join(' or ') : String(type)
  return /^[aeiou]/.test(name) ? `an ${name}` : `a ${name}`
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (value !== null && typeof value === 'object') return 'a map'
  // JSON cannot represent NaN and infinite numbers.
  return typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'nothing')
}
