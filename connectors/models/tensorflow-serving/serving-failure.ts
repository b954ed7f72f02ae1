/**
 * The reason why a call to a TensorFlow Serving has no result.
 *  - `away`: the server has not accepted the call, because there is no connection or the server accepts no calls now
 *  - `broken`: the connection broke off after the call was sent, so the server may have computed the result
 *  - `missing`: the server does not have the model, or does not have it yet
 *  - `refused`: the server answered with an error
 *  - `unusable`: the answer does not fit the call
 *  - `forbidden`: all addresses of the server's name are forbidden
 *  - `late`: the time limit of the call has passed
 */
export type FailureKind = 'away' | 'broken' | 'missing' | 'refused' | 'unusable' | 'forbidden' | 'late'

/** A call that failed. The message is the end of a sentence about the server: `refuses the connection`. */
export class ServingFailure extends Error {
  readonly kind: FailureKind
  /** The largest batch that the server accepts, if the server refused the call because of the batch's size; else null. */
  readonly batchLimit: number | null

  constructor(kind: FailureKind, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ServingFailure'
    this.kind = kind
    const limit = kind === 'refused' ? Number(/larger than maximum (?:input )?batch size (\d{1,9})\b/.exec(message)?.[1]) : 0
    this.batchLimit = limit >= 1 ? limit : null
  }
}

export function tooManyValues(most: number): ServingFailure {
  return new ServingFailure('unusable', `answers with more than ${most.toLocaleString('en')} values`)
}

/** A text from the server, in the form for a message: one line of at most 400 characters. */
export function quoted(text: string): string {
  const line = text
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .toWellFormed()
  return line.length <= maxQuoted ? line : `${line.slice(0, maxQuoted).toWellFormed()} …`
}

const maxQuoted = 400
