import { isDeepStrictEqual } from 'node:util'

/** Java's `equals` for keys: by value. */
export function sameKey(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && isDeepStrictEqual(a, b))
}
