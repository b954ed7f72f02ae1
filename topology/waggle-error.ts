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

  /** Wraps what a library or a user's function threw; a WaggleError stays itself. */
  static from(code: ErrorCode, thrown: unknown, words: { next: string; message?: string }): WaggleError {
    if (thrown instanceof WaggleError) return thrown
    const said = thrown instanceof Error ? thrown.message : String(thrown)
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
