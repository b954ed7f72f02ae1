import { shownAddress } from '../../topology/swarm/secrets/shown-address.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

export function invalidAddress(address: string, why: string, next = forms): WaggleError {
  return new WaggleError('WAGGLE_MODEL_SOURCE', { message: `${shownAddress(address)} cannot be fetched: ${why}`, next })
}

const forms = 'Write a path, file:PATH, s3://BUCKET/KEY, https://HOST/PATH or npm:PACKAGE/PATH.'
