import { type TSchema, Type } from 'typebox'

/**
 * A secret value, or a text that holds secret values. As a string, in JSON and in `inspect` it gives its shown form: `***`, or the text as the swarm
 * file has it. `reveal` gives the value: call `reveal` only where the value is used, and keep no copy. `structuredClone` loses the value.
 *
 * @example
 * const password = new Secret('hunter2')
 * `${password}` // '***'
 * password.reveal() // 'hunter2'
 */
export class Secret {
  readonly #value: string
  readonly #shown: string

  /** `shown` stands for the value in texts. Default: `***`. */
  constructor(value: string, shown = '***') {
    this.#value = value
    this.#shown = shown
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return this.#shown
  }

  toJSON(): string {
    return this.#shown
  }

  /** Node's `inspect` and `console.log` call this method. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.#shown
  }
}

/**
 * The schema of a text whose secrets stay hidden. If the text contains `{{ secrets.NAME }}`, the bee gets a `Secret`, otherwise a string. In texts
 * with any other schema the bee gets the values in clear.
 */
export function secretText(options: { readonly description: string; readonly minLength?: number; readonly maxLength?: number }) {
  return Type.Unsafe<string | Secret>({ ...Type.String(options), secret: true })
}

/** True for a schema made by `secretText`. */
export function isSecretText(schema: TSchema | undefined): boolean {
  return schema !== undefined && 'secret' in schema && schema.secret === true
}

/** The value of a text that may be secret. */
export function revealed(text: string | Secret): string {
  return typeof text === 'string' ? text : text.reveal()
}
