import { WaggleError } from '../waggle-error.ts'

/** Refuses `undefined` at the operator that made it, because a later step could not name that operator. A missing value is `null`. */
export function defined<T>(value: T, operator: string): T {
  if (value !== undefined) return value
  throw new WaggleError('WAGGLE_UNDEFINED_VALUE', {
    message: `The function given to ${operator} returned undefined`,
    next: 'Return a value, or null for none; a function with braces needs a return.',
  })
}
