/**
 * The types (`typ`) that the header of a token may name. With the same keys, an issuer also signs other tokens, such as logout tokens and proofs of
 * possession. None of these may count as an access token (RFC 8725, section 3.11; RFC 9068, section 4). The option `typ` of `jose` accepts only one
 * type, but providers differ: some write `at+jwt`, others `JWT`, others no type.
 */
export class TokenTypes {
  readonly #names: ReadonlySet<string>

  private constructor(names: ReadonlySet<string>) {
    this.#names = names
  }

  /**
   * Reads types with commas between them. `none` stands for a token whose header names no type. Throws a RangeError.
   *
   * @example
   * TokenTypes.parse('at+jwt,none').allow('application/at+jwt') // true
   */
  static parse(text: string): TokenTypes {
    const names = text.split(',').map((name) => shortName(name.trim()))
    const wrong = names.find((name) => !subtype.test(name))
    if (wrong !== undefined) throw new RangeError(`${JSON.stringify(wrong.slice(0, 100))} is not a type of token`)
    return new TokenTypes(new Set(names))
  }

  /** True if the list has this type. `typ` is the unchanged member of the header. */
  allow(typ: unknown): boolean {
    if (typ === undefined) return this.#names.has(noType)
    return typeof typ === 'string' && shortName(typ) !== noType && this.#names.has(shortName(typ))
  }

  toString(): string {
    return [...this.#names].join(', ')
  }
}

/** Media types are case-insensitive, and the prefix `application/` may be missing (RFC 7515, section 4.1.9). */
function shortName(name: string): string {
  return name.toLowerCase().replace(/^application\//, '')
}

const noType = 'none'
const subtype = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/
