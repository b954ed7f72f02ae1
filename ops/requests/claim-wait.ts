import { WaggleError } from '../../topology/waggle-error.ts'

/** The longest time for which a caller waits for a claim store, in ms. */
export const longestWaitMs = 20_000

/** The error for a store that was too slow for a waiting caller. */
export function storeTooSlow(): WaggleError {
  return new WaggleError('WAGGLE_CLAIM_STORE_AWAY', {
    message: `The claim store did not take or give a payload within ${longestWaitMs / 1000} s`,
    next: 'Send the request again in a moment, and see that the store runs.',
  })
}
