import { WaggleError } from '../../waggle-error.ts'
import type { Payload } from '../payload/payload.ts'

/**
 * Removes secret values from all texts that leave the process: errors, log lines, notices. Specs contain secrets in clear, because processes and
 * databases need them. Any library may quote a spec in an error. So a text is redacted when it leaves, and not when it is made.
 */
export class Redaction {
  readonly #names: ReadonlyMap<string, string>
  readonly #pattern: RegExp | null

  /** `secrets`: the secret values by name. A redacted text shows `{{ NAME }}` instead of the value. */
  constructor(secrets: ReadonlyMap<string, string>) {
    const forms = [...secrets].flatMap(([name, value]) => formsOf(value).map((form) => [form, `{{ ${name} }}`] as const))
    this.#names = new Map(forms)
    // Longer values are replaced first, because one secret may begin with another.
    const values = [...this.#names.keys()].sort((a, b) => b.length - a.length)
    this.#pattern = values.length === 0 ? null : new RegExp(values.map((value) => value.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g')
  }

  text(text: string): string {
    return this.#pattern === null ? text : text.replace(this.#pattern, (value) => this.#names.get(value) ?? '')
  }

  /**
   * The same payload, without secrets in its texts. A program that gets a secret may repeat it in its result, as a server repeats a header. Tensors
   * and bytes that are no text are not changed.
   */
  payload(payload: Payload): Payload {
    if (this.#pattern === null) return payload
    if (payload.kind === 'json') {
      const json = this.#json(payload.json)
      return json === payload.json ? payload : { kind: 'json', json }
    }
    if (payload.kind !== 'bytes') return payload
    const bytes = Buffer.from(payload.bytes.buffer, payload.bytes.byteOffset, payload.bytes.byteLength)
    if (![...this.#names.keys()].some((value) => bytes.includes(value))) return payload
    return { ...payload, bytes: new Uint8Array(Buffer.from(this.text(bytes.toString()))) }
  }

  /** The value itself if it contains no secret. */
  #json(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value)
    if (Array.isArray(value)) {
      const items = value.map((item) => this.#json(item))
      return items.every((item, at) => item === value[at]) ? value : items
    }
    if (value === null || typeof value !== 'object') return value
    const before = Object.entries(value)
    const after = before.map(([key, item]) => [this.text(key), this.#json(item)] as const)
    return after.every(([key, item], at) => key === before[at]?.[0] && item === before[at]?.[1]) ? value : Object.fromEntries(after)
  }

  /** The same fields, with their texts redacted. */
  fields<F extends object>(fields: F | undefined): F {
    return Object.fromEntries(Object.entries(fields ?? {}).map(([key, value]) => [key, typeof value === 'string' ? this.text(value) : value])) as F
  }

  /** The error itself if it contains no secret. Otherwise a copy of the same class and code without the secrets. */
  error<E>(thrown: E): E | Error {
    if (this.#pattern === null || !(thrown instanceof Error)) return thrown
    return this.#without(thrown, 0)
  }

  #without(error: Error, depth: number): Error {
    const cause = this.#causeOf(error, depth)
    const words = [error.message, error.stack ?? '', error instanceof WaggleError ? `${error.next}${error.place}` : ''].join('\n')
    if (cause === error.cause && this.text(words) === words) return error
    // The engine tells a refusal from a failure by the class, so the copy has the same class.
    const copy: Error = Object.create(Object.getPrototypeOf(error), Object.getOwnPropertyDescriptors(error))
    const replaced: { [key: string]: unknown } = { message: this.text(error.message), stack: this.text(error.stack ?? ''), cause }
    if (error instanceof WaggleError) {
      replaced.next = this.text(error.next)
      if (error.place !== undefined) replaced.place = this.text(error.place)
    }
    for (const [key, value] of Object.entries(replaced)) Object.defineProperty(copy, key, { value, writable: true, configurable: true })
    return copy
  }

  #causeOf({ cause }: Error, depth: number): unknown {
    if (depth === maxCauses) return undefined
    if (cause instanceof AggregateError) {
      const errors = cause.errors.map((one) => (one instanceof Error ? this.#without(one, depth + 1) : one))
      return errors.every((one, at) => one === cause.errors[at]) ? cause : new AggregateError(errors, this.text(cause.message))
    }
    if (cause instanceof Error) return this.#without(cause, depth + 1)
    return typeof cause === 'string' ? this.text(cause) : cause
  }
}

/** Deeper causes are dropped, because a chain of causes may be a cycle. */
const maxCauses = 8
/** Shorter values are not hidden, because most texts contain them by chance. */
const leastLength = 4
const leastBase64 = 10

/**
 * The forms in which a value may appear in a text: the value itself, its JSON, URL and base64 encodings, and each of its longer lines. Single lines
 * count, because a log line may contain only one. The end of a base64 text depends on the text after it, so the end is left out.
 */
function formsOf(value: string): readonly string[] {
  const lines = value.split(/\r?\n/).filter((line) => line.length >= 2 * leastLength)
  const encoded = value.isWellFormed() ? [encodeURIComponent(value), encodeURI(value)] : []
  const base64 = Buffer.from(value).toString('base64').replace(/=+$/, '').slice(0, -1)
  return [value, JSON.stringify(value).slice(1, -1), ...encoded, ...(base64.length < leastBase64 ? [] : [base64]), ...lines].filter(
    (form) => form.length >= leastLength,
  )
}
