export type ErrorCode = `WAGGLE_${string}`

export interface ErrorWords {
  readonly message: string
  /** The step to take, as a sentence. */
  readonly next: string
  /** `file:line:col` of what a user wrote. */
  readonly place?: string
  readonly cause?: unknown
}

/** The one error class: what happened, where, and what to do about it. */
export class WaggleError extends Error {
  readonly code: ErrorCode
  readonly next: string
  readonly place?: string

  constructor(code: ErrorCode, words: ErrorWords) {
    super(words.message, words.cause === undefined ? undefined : { cause: words.cause })
    this.name = 'WaggleError'
    this.code = code
    this.next = words.next
    if (words.place !== undefined) this.place = words.place
  }

  /** The same, with the place in a user's file that it comes from; one that it has already is nearer. */
  at(place: string): WaggleError {
    return new WaggleError(this.code, { message: this.message, next: this.next, place: this.place ?? place, cause: this.cause })
  }

  /** Wraps what a library or a user's function threw, whatever it is; a WaggleError stays itself. */
  static from(code: ErrorCode, thrown: unknown, words: { next: string; message?: string }): WaggleError {
    if (isWaggleError(thrown)) return thrown
    const said = saidBy(thrown)
    return new WaggleError(code, { message: words.message ? `${words.message}: ${said}` : said, next: words.next, cause: thrown })
  }
}

/** A bee's word for "this input cannot be answered, and the caller is to blame": HTTP 422, gRPC INVALID_ARGUMENT. */
export class Refused extends WaggleError {
  constructor(detail: string) {
    super('WAGGLE_REFUSED', { message: detail, next: 'Send an input that the bee accepts.' })
    this.name = 'Refused'
  }
}

/** A log or a store's serde refuses one record, and with it the commit that holds it. Tried again, it is refused again. */
export class RecordRefused extends WaggleError {}

/** Something that a record needs is away: nothing is wrong with the record, and nobody decides about it. It waits, and is tried again. */
export class Unavailable extends WaggleError {}

/** The message of what was thrown, for people: at most 4,000 characters. Never throws, whatever its getters, its `toString` or its proxy do. */
export function saidBy(thrown: unknown): string {
  try {
    return clipped(String(thrown instanceof Error ? thrown.message : thrown))
  } catch {
    return 'it threw a value that cannot be shown'
  }
}

/** At most 4,000 characters, and no half of a surrogate pair: text that every log, header and database takes. */
export function clipped(text: string): string {
  return (text.length <= maxSaid ? text : `${text.slice(0, maxSaid)} … (${text.length} characters)`).toWellFormed()
}

const maxSaid = 4_000

/** A proxy may throw here. */
function isWaggleError(thrown: unknown): thrown is WaggleError {
  try {
    return thrown instanceof WaggleError && typeof thrown.message === 'string' && typeof thrown.next === 'string' && typeof thrown.code === 'string'
  } catch {
    return false
  }
}
