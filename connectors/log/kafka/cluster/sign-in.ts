import { AuthenticationError, type SASLOptions } from '@platformatic/kafka'
import type { KafkaSignIn } from '../kafka-log.ts'

export function signIn(sasl: KafkaSignIn): SASLOptions {
  if (sasl.mechanism === 'oauthbearer') return { mechanism: 'OAUTHBEARER', token: sasl.token, authBytesValidator: refuseTokenError }
  const { mechanism, username, password } = sasl
  return { mechanism: mechanisms[mechanism], username, password }
}

/** A broker answers a refused token with a text that names the error, and an accepted token with an empty answer (RFC 7628, section 3.2.3). */
const refuseTokenError: NonNullable<SASLOptions['authBytesValidator']> = (bytes, callback) => {
  if (bytes.length === 0) callback(null, bytes)
  else callback(new AuthenticationError(`The token is refused: ${bytes.toString()}`))
}

const mechanisms = { plain: 'PLAIN', 'scram-sha-256': 'SCRAM-SHA-256', 'scram-sha-512': 'SCRAM-SHA-512' } as const
