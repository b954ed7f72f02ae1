/**
 * The types (`typ`) that a token's header may name. An issuer signs other things than access tokens with the same keys, such as logout tokens and
 * proofs of possession, and none of these may count as an access token (RFC 8725, section 3.11; RFC 9068, section 4). The option `typ` of `jose` takes one
 * type alone, and providers differ: some write `at+jwt`, others `JWT`, others nothing.
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

  /** True for a type of the list. `typ` is the member of the header as it came. */
  allow(typ: unknown): boolean {
    if (typ === undefined) return this.#names.has(noType)
    return typeof typ === 'string' && shortName(typ) !== noType && this.#names.has(shortName(typ))
  }

  toString(): string {
    return [...this.#names].join(', ')
  }
}

/** Media types have no case, and may come without `application/` (RFC 7515, section 4.1.9). */
function shortName(name: string): string {
  return name.toLowerCase().replace(/^application\//, '')
}

const noType = 'none'
const subtype = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/
