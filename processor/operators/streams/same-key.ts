import { isDeepStrictEqual } from 'node:util'

/** Compares keys by value, as Java's `equals` does. */
export function sameKey(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && isDeepStrictEqual(a, b))
}
