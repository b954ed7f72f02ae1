import { shownAddress } from '../../topology/swarm/secrets/shown-address.ts'
import { saidBy, Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import { errorCode } from '../system/error-code.ts'

/** The error for an address at which nothing is stored. */
export function notFound(address: string, why: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_NOT_FOUND', {
    message: `There is no model at ${shownAddress(address)}: ${why}`,
    next: 'Correct the address in the swarm, or put the model there.',
  })
}

/** The error for a store that answers, but refuses to let this process read. Another attempt would be refused too. */
export function refused(address: string, why: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_REFUSED', { message: `${shownAddress(address)} is refused: ${why}`, next })
}

/** The error for a store that is unreachable or too slow. */
export function away(address: string, thrown: unknown): Unavailable {
  return new Unavailable('WAGGLE_MODEL_UNREACHABLE', {
    message: `${shownAddress(address)} cannot be fetched: ${saidBy(thrown) || errorCode(thrown)}`,
    next: 'See that the store runs and can be reached. Waggle calls the store again until it answers.',
    cause: thrown,
  })
}

export function tooLarge(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_TOO_LARGE', { message, next })
}

/** Passes the bytes of a connection on. Failures of the connection become `Unavailable`. */
export async function* readable(address: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks
  } catch (thrown) {
    throw thrown instanceof WaggleError ? thrown : away(address, thrown)
  }
}

/** True for an error of the TLS library about a certificate. */
export function isCertificateError(thrown: unknown): boolean {
  return /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY)_|ERR_SSL_)/.test(errorCode(thrown))
}
