import { type ConnectionOptions, createSecureContext } from 'node:tls'
import { WaggleError } from '../../../../topology/waggle-error.ts'

/**
 * Throws WAGGLE_INVALID_CONFIG if a certificate or a key is not PEM, or if certificate and key do not belong together. Without this check every
 * connection would fail with the error for a broker that does not answer.
 */
export function checkTls(options: ConnectionOptions): void {
  try {
    // Node silently leaves out authorities that it cannot read, so the authorities are checked here.
    for (const authority of [options.ca ?? []].flat()) if (!Buffer.from(authority).includes('-----BEGIN')) throw new Error('an authority is not PEM')
    createSecureContext(options)
  } catch (cause) {
    throw new WaggleError('WAGGLE_INVALID_CONFIG', {
      message: `The certificates and the key for Kafka cannot be used: ${(cause as Error).message}`,
      next: 'Name PEM files that belong together: KAFKA_SSL_CA, KAFKA_SSL_CERT and KAFKA_SSL_KEY; in a program ca, cert and key of ssl.',
      cause,
    })
  }
}
