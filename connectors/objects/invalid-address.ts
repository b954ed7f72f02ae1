import { WaggleError } from '../../topology/waggle-error.ts'

export function invalidAddress(address: string, why: string, next = forms): WaggleError {
  return new WaggleError('WAGGLE_MODEL_SOURCE', { message: `${shownAddress(address)} cannot be fetched: ${why}`, next })
}

/** An address without its query, which may be a signature, and without a password. */
export function shownAddress(address: string): string {
  return address
    .replace(/\?.*$/s, (query) => (/^s3:/i.test(address) ? query : ''))
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, '$1')
    .slice(0, maxShown)
}

const forms = 'Write a path, file:PATH, s3://BUCKET/KEY, https://HOST/PATH or npm:PACKAGE/PATH.'
const maxShown = 1200
