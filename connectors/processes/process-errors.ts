import { WaggleError } from '../../topology/waggle-error.ts'
import type { StartFailure } from './hello.ts'

/** The end of a sentence about a program that used more memory than its bee's spec allows. */
export function outOfMemory(maxBytes: number): string {
  const gigabytes = maxBytes / 1024 ** 3
  const shown = gigabytes >= 1 && Number.isInteger(gigabytes * 10) ? `${gigabytes}g` : `${Math.round(maxBytes / 1024 ** 2)}m`
  return `ran out of memory and was killed (memory: ${shown})`
}

/** The end of a process, for sentences: `it ended with status 3; its last words: …`. */
export interface ProcessEnd {
  readonly why: string
  readonly lastWords: readonly string[]
  /** The process's own reason why it cannot start. */
  readonly failure: StartFailure | null
}

export function endText({ why, lastWords, failure }: ProcessEnd): string {
  if (failure !== null) return `cannot start: ${failure.place === null ? '' : `${failure.place}: `}${failure.why}`
  return lastWords.length === 0 ? why : `${why}; its last words: ${lastWords.join(' │ ')}`
}

export function diedError(bee: string, end: ProcessEnd): WaggleError {
  const { why, lastWords } = end
  return new WaggleError('WAGGLE_BEE_DIED', {
    message: `The process of ${bee} ${why} while it had this request${lastWords.length === 0 ? '' : `; its last words: ${lastWords.join(' │ ')}`}`,
    next: `See the lines of ${bee} in the log of the process.`,
  })
}

export function closedError(bee: string): WaggleError {
  return new WaggleError('WAGGLE_BEE_DIED', { message: `The process of ${bee} is stopped`, next: 'Send the request again.' })
}

export function timeoutError(bee: string): WaggleError {
  return new WaggleError('WAGGLE_BEE_TIMEOUT', { message: `${bee} gave no result in time`, next: 'Give the bee a longer timeout_seconds.' })
}

export interface NotStarted {
  readonly bee: string
  readonly title: string
  readonly advice: string
}

export function notStartedError({ bee, title, advice }: NotStarted, end: ProcessEnd): WaggleError {
  const { failure } = end
  if (failure === null) return new WaggleError('WAGGLE_BEE_NOT_STARTED', { message: `${title} ${endText(end)}`, next: advice })
  return new WaggleError('WAGGLE_BEE_NOT_STARTED', {
    message: `${bee} cannot start: ${failure.why}`,
    next: failure.next ?? `Correct the program of ${bee}.`,
    ...(failure.place === null ? {} : { place: failure.place }),
  })
}
