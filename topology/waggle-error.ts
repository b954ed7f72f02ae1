import type { ErrorCode } from './error-codes.ts'

export interface ErrorWords {
  readonly message: string
  /** The next step, as a sentence. */
  readonly next: string
  /** The place in a user's file, as `file:line:col`. */
  readonly place?: string
  readonly cause?: unknown
}

/** The base class of all errors. An error tells what happened, where it happened, and the next step. */
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

  /** The same error with a place in a user's file. If the error has a place already, it keeps that place, which is more exact. */
  at(place: string): WaggleError {
    return new WaggleError(this.code, { message: this.message, next: this.next, place: this.place ?? place, cause: this.cause })
  }

  /**
   * The same error, with the record's place added to its message. Class, code and stack stay. The error itself is not changed, because it may be
   * thrown again.
   */
  withRecord(place: string): WaggleError {
    const copy: WaggleError = Object.create(Object.getPrototypeOf(this), Object.getOwnPropertyDescriptors(this))
    const value = this.message.endsWith(place) ? this.message : `${this.message} ${place}`
    Object.defineProperty(copy, 'message', { value, writable: true, configurable: true })
    return copy
  }

  /** Wraps an error that a library or a user's function threw. A WaggleError is returned as it is. */
  static from(code: ErrorCode, thrown: unknown, words: { next: string; message?: string }): WaggleError {
    if (isWaggleError(thrown)) return thrown
    const said = saidBy(thrown)
    return new WaggleError(code, { message: words.message ? `${words.message}: ${said}` : said, next: words.next, cause: thrown })
  }
}

/** Thrown by a bee for an input that it cannot answer through a fault of the caller: HTTP 422, gRPC INVALID_ARGUMENT. */
export class Refused extends WaggleError {
  constructor(detail: string) {
    super('WAGGLE_REFUSED', { message: detail, next: 'Send an input that the bee accepts.' })
    this.name = 'Refused'
  }
}

/** The error of a commit that a log or a store's serde refuses because of one record. A retry would be refused too. */
export class RecordRefused extends WaggleError {}

/**
 * The error of a service that a record needs and that does not answer. The record is not at fault, so no handler decides about it. The record waits
 * and is tried again.
 */
export class Unavailable extends WaggleError {}

/** The message of any thrown value, at most 4,000 characters. Never throws, even if a getter, a `toString` or a proxy does. */
export function saidBy(thrown: unknown): string {
  try {
    return clipped(String(thrown instanceof Error ? thrown.message : thrown))
  } catch {
    return 'it threw a value that cannot be shown'
  }
}

/** At most 4,000 characters without half a surrogate pair, so that every log, header and database accepts the text. */
export function clipped(text: string): string {
  return (text.length <= maxSaid ? text : `${text.slice(0, maxSaid)} … (${text.length} characters)`).toWellFormed()
}

const maxSaid = 4_000

/** True for a WaggleError. `instanceof` throws for some proxies. */
function isWaggleError(thrown: unknown): thrown is WaggleError {
  try {
    return thrown instanceof WaggleError && typeof thrown.message === 'string' && typeof thrown.next === 'string' && typeof thrown.code === 'string'
  } catch {
    return false
  }
}
