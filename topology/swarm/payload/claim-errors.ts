import { WaggleError } from '../../waggle-error.ts'
import type { Claim } from './payload.ts'

/** The error for a payload whose object is not in its store. */
export function claimMissing({ store, key, bytes, expiresAt }: Claim, now: number): WaggleError {
  const why =
    now >= expiresAt
      ? `its time ended at ${new Date(expiresAt).toISOString()}`
      : `somebody else has deleted it: it should stay until ${new Date(expiresAt).toISOString()}`
  return new WaggleError('WAGGLE_CLAIM_MISSING', {
    message: `The payload of ${bytes} bytes, ${key}, is not in the claim store ${store}: ${why}`,
    next: 'Send the request again. If objects of the claim store vanish before their retention is over, find out who deletes them.',
  })
}

/** The error for an object with other bytes than those that were put. */
export function claimAltered({ store, key, bytes }: Claim, found: string): WaggleError {
  return new WaggleError('WAGGLE_CLAIM_ALTERED', {
    message: `The payload ${key} in the claim store ${store} is not what was put there: ${found}, and ${bytes} bytes of another hash were put`,
    next: 'Send the request again, and find out who writes to the claim store beside Waggle.',
  })
}

/** The error for a payload in a claim store that this process does not have. */
export function noClaimStore({ store, bytes }: Claim, own: string | null = null): WaggleError {
  const here = own === null ? 'this process has no claim store' : `the claim store of this process is ${own}`
  return new WaggleError('WAGGLE_CLAIM_STORE', {
    message: `The payload of ${bytes} bytes is in the claim store ${store}, and ${here}`,
    next: 'Give all processes of the cluster the same WAGGLE_CLAIM_STORE.',
  })
}
