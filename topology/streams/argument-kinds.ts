import type { ErrorCode } from '../error-codes.ts'
import { WaggleError } from '../waggle-error.ts'

/** A wrong argument: its name, and the kind that it should be. */
interface Wrong {
  readonly name: string
  readonly wanted: string
}

/** Checks a value as an argument. Returns null if the value is right. */
export type Kind = (value: unknown, name: string) => Wrong | null

export interface Parameter {
  readonly name: string
  readonly kind: Kind
  readonly isOptional: boolean
}

/** A method's parameters, or a function that chooses them by the first arguments. */
export type Signature = readonly Parameter[] | ((args: readonly unknown[]) => readonly Parameter[])

/** Parameters by name. A parameter whose name ends in `?` is optional: it may be undefined, but not null. */
export function parameters(kinds: { readonly [name: string]: Kind }): readonly Parameter[] {
  return Object.entries(kinds).map(([name, kind]) => ({ name: name.replace(/\?$/, ''), kind, isOptional: name.endsWith('?') }))
}

/**
 * Makes methods check their arguments first, and refuse wrong arguments with WAGGLE_INVALID_TOPOLOGY. TypeScript finds wrong arguments when a program
 * is written; plain JavaScript does not.
 */
export function guard(owner: object, title: string, signatures: { readonly [method: string]: Signature }): void {
  for (const [method, signature] of Object.entries(signatures)) {
    const original: unknown = Reflect.get(owner, method)
    if (typeof original !== 'function')
      throw new WaggleError('WAGGLE_INTERNAL', { message: `${title} has no ${method}`, next: 'Report this as a bug.' })
    const checked = function (this: unknown, ...args: readonly unknown[]): unknown {
      refuseWrong(`${title}.${method}`, typeof signature === 'function' ? signature(args) : signature, args)
      return Reflect.apply(original, this, args)
    }
    Object.defineProperty(owner, method, {
      value: checked,
      writable: true,
      configurable: true,
      enumerable: Object.prototype.propertyIsEnumerable.call(owner, method),
    })
  }
}

/** Refuses the first wrong argument of a call, with WAGGLE_INVALID_TOPOLOGY unless another code is given. */
export function refuseWrong(
  method: string,
  signature: readonly Parameter[],
  args: readonly unknown[],
  code: ErrorCode = 'WAGGLE_INVALID_TOPOLOGY',
): void {
  for (const [at, { name, kind, isOptional }] of signature.entries()) {
    if (isOptional && args[at] === undefined) continue
    const wrong = kind(args[at], name)
    if (wrong === null) continue
    const names = signature.map((one) => (one.isOptional ? `${one.name}?` : one.name)).join(', ')
    throw new WaggleError(code, {
      message: `${method}: the argument ${wrong.name} is not ${wrong.wanted}${wrong.name === name ? ` but ${shown(args[at])}` : ''}`,
      next: `Call ${method}(${names}).`,
    })
  }
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'object') return Array.isArray(value) ? 'an array' : `an object (${value.constructor?.name ?? 'without a class'})`
  return typeof value === 'function' ? 'a function' : `the ${typeof value} ${String(value).slice(0, 40)}`
}

function kindOf(wanted: string, accepts: (value: unknown) => boolean): Kind {
  return (value, name) => (accepts(value) ? null : { name, wanted })
}

export function instanceOf(wanted: string, ...classes: readonly { readonly prototype: object }[]): Kind {
  return kindOf(wanted, (value) => classes.some(({ prototype }) => typeof value === 'object' && value !== null && isBelow(prototype, value)))
}

function isBelow(prototype: object, value: object): boolean {
  return Object.prototype.isPrototypeOf.call(prototype, value)
}

export function oneOfKinds(wanted: string, ...kinds: readonly Kind[]): Kind {
  return kindOf(wanted, (value) => kinds.some((kind) => kind(value, '') === null))
}

/** A plain object. An entry that `entries` names must be of the kind given there. The entries in `required` must not be missing. */
export function optionsOf(entries: { readonly [name: string]: Kind }, required: readonly string[] = []): Kind {
  return (value, name) => {
    // A serde may be a plain object too, but it is no object of options.
    if (!isPlain(value) || has(value, 'serialize')) return { name, wanted: 'an object of options' }
    for (const [entry, kind] of Object.entries(entries)) {
      const given: unknown = Reflect.get(value, entry)
      const wrong = given === undefined && !required.includes(entry) ? null : kind(given, `${name}.${entry}`)
      if (wrong !== null) return wrong
    }
    return null
  }
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

function isNamed(value: unknown): value is { readonly name: string } {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'name') === 'string'
}

function has(value: unknown, method: string): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, method) === 'function'
}

export const anything = kindOf('anything', () => true)
export const aSchema = kindOf('a schema of typebox', (value) => isPlain(value) && !has(value, 'serialize'))
export const aFunction = kindOf('a function', (value) => typeof value === 'function')
export const nothing = kindOf('null', (value) => value === null)
export const aNumber = kindOf('a number', (value) => typeof value === 'number')
export const aBoolean = kindOf('true or false', (value) => typeof value === 'boolean')
export const aName = kindOf('a name', (value) => typeof value === 'string')
export function listOf(wanted: string, kind: Kind): Kind {
  return kindOf(`an array of ${wanted}`, (value) => Array.isArray(value) && value.every((one) => kind(one, '') === null))
}

export const names = kindOf('an array of names', (value) => Array.isArray(value) && value.every((one) => typeof one === 'string'))
export const aTopic = kindOf("a topic's name", (value) => typeof value === 'string' && value !== '')
export const topics = kindOf(
  "a topic's name, an array of them, or a pattern",
  (value) => value instanceof RegExp || (Array.isArray(value) ? value : [value]).every((one) => typeof one === 'string' && one !== ''),
)
/**
 * A serde, a serialiser or a deserialiser. A topic that is only written needs only a serialiser. A topic that is only read needs only a deserialiser.
 */
export const aSerde = kindOf('a serde', (value) => has(value, 'serialize') || has(value, 'deserialize'))
/** A builder, or a store's specification from the engine's own programs. A supplier of `Stores` is not accepted, because it has no serdes. */
export const aStore = kindOf('a store builder', (value) => isNamed(value) && (has(value, 'build') || ('kind' in value && 'key' in value)))
export const aSupplier = kindOf('a store supplier of Stores', (value) => isNamed(value) && 'kind' in value && !('key' in value))
