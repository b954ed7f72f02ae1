import { ProblemError } from './problem.ts'

/**
 * Reads a request's id from a path. Throws WAGGLE_UNKNOWN_REQUEST for a text that cannot be an id. An id is also sent in a header, so it must fit
 * into a header.
 */
export function requestIdIn(text: string): string {
  if (/^[\x21-\x7e]{1,255}$/.test(text)) return text
  throw new ProblemError('WAGGLE_UNKNOWN_REQUEST', 'There is no request with such an id')
}
