import { highestPriority } from '../access/caller-limits.ts'
import { isScope, type Scope, Scopes } from '../access/scopes.ts'

/** The permissions that an issuer's token gives to a caller. */
export interface ClaimedRights {
  readonly scopes: Scopes
  /** The highest priority of the caller's requests, 0 to 9. */
  readonly maxPriority: number
}

interface Entry {
  readonly scopes: readonly Scope[]
  readonly maxPriority: number
}

/** Turns the values of a claim, such as the groups of a person, into scopes. */
export class ClaimScopes {
  /** The entries by the value of the claim. Null: a value counts if it is itself the name of a scope. */
  readonly #entries: ReadonlyMap<string, Entry> | null

  private constructor(entries: ReadonlyMap<string, Entry> | null) {
    this.#entries = entries
  }

  /**
   * Reads entries `VALUE=SCOPE,SCOPE`, separated by `;` or line breaks. `priority:N` among the scopes limits `X-Priority`. With null, a value of the
   * claim counts only if it is itself the name of a scope. Throws a RangeError.
   *
   * @example ClaimScopes.parse('shop=ask:teddy; operators=read,manage').of(['shop']).scopes.allow('ask:teddy') // true
   */
  static parse(text: string | null): ClaimScopes {
    if (text === null) return new ClaimScopes(null)
    const entries = text
      .split(/[;\r\n]/)
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .map(entryOf)
    const values = entries.map(([value]) => value)
    const twice = values.find((value, at) => values.indexOf(value) !== at)
    if (twice !== undefined) throw new RangeError(`${JSON.stringify(twice)} is mapped twice`)
    return new ClaimScopes(new Map(entries))
  }

  of(values: readonly string[]): ClaimedRights {
    const entries = this.#entries
    if (entries === null) return { scopes: new Scopes(values.filter(isScope)), maxPriority: highestPriority }
    const found = values.flatMap((value) => entries.get(value) ?? [])
    return {
      scopes: new Scopes([...new Set(found.flatMap(({ scopes }) => scopes))]),
      maxPriority: found.length === 0 ? highestPriority : Math.max(...found.map(({ maxPriority }) => maxPriority)),
    }
  }
}

/** The values of a claim: the words of a text, or the texts of a list. The claim's name may be a path with dots, such as `realm_access.roles`. */
export function valuesOfClaim(claims: { readonly [name: string]: unknown }, name: string): readonly string[] {
  const value = Object.hasOwn(claims, name) ? claims[name] : memberAt(claims, name.split('.'))
  if (typeof value === 'string') return value.split(' ').filter((word) => word !== '')
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string').slice(0, maxValues) : []
}

function memberAt(value: unknown, [first, ...rest]: readonly string[]): unknown {
  if (first === undefined) return value
  if (value === null || typeof value !== 'object' || !Object.hasOwn(value, first)) return undefined
  return memberAt((value as { readonly [name: string]: unknown })[first], rest)
}

function entryOf(line: string): readonly [string, Entry] {
  // A scope contains no `=`, but a value may contain one.
  const at = line.lastIndexOf('=')
  const value = line.slice(0, at).trim()
  if (at < 1 || value === '') throw new RangeError(`${JSON.stringify(line.slice(0, 100))} is not of the form VALUE=SCOPE,SCOPE`)
  const words = line
    .slice(at + 1)
    .split(',')
    .map((word) => word.trim())
  const unknown = words.find((word) => !isScope(word) && !priority.test(word))
  if (unknown !== undefined)
    throw new RangeError(`${JSON.stringify(value)} is mapped to ${JSON.stringify(unknown.slice(0, 100))}, which is not a scope`)
  const digit = words.map((word) => priority.exec(word)?.[1]).find((one) => one !== undefined)
  return [value, { scopes: words.filter(isScope), maxPriority: digit === undefined ? highestPriority : Number(digit) }]
}

const priority = /^priority:([0-9])$/
const maxValues = 1000
