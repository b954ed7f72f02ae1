/**
 * One permission. `ask:GATEWAY` allows requests to a gateway and reading their answers; `ask:*` is for all gateways. `read` shows what all callers
 * sent: topics, dead letters, metrics, every request. `manage` changes what runs, and includes `read`.
 */
export type Scope = 'read' | 'manage' | `ask:${string}`

/** The scopes of a caller. */
export class Scopes {
  readonly names: readonly Scope[]
  readonly #granted: ReadonlySet<string>

  constructor(names: readonly Scope[]) {
    this.names = names
    this.#granted = new Set(names)
  }

  /**
   * Throws a RangeError that quotes the first name which is not a scope.
   *
   * @example
   * Scopes.parse(['ask:teddy', 'read']).allow('ask:teddy') // true
   */
  static parse(names: readonly string[]): Scopes {
    return new Scopes(
      names.map((name) => {
        if (isScope(name)) return name
        throw new RangeError(`${JSON.stringify(name.slice(0, 100))} is not a scope`)
      }),
    )
  }

  allow(needed: Scope): boolean {
    if (this.#granted.has(needed)) return true
    if (needed === 'read') return this.#granted.has('manage')
    return needed !== 'manage' && this.#granted.has('ask:*')
  }

  /** True if the caller may send requests to at least one gateway. */
  get ask(): boolean {
    return this.names.some((name) => name.startsWith('ask:'))
  }
}

/** The scopes of a caller that may do everything. */
export const everyScope = new Scopes(['ask:*', 'read', 'manage'])

export function isScope(name: string): name is Scope {
  return name === 'read' || name === 'manage' || /^ask:(?:\*|[A-Za-z0-9._-]{1,255})$/.test(name)
}
