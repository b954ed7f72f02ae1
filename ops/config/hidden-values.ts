import { clearSecrets } from '../../connectors/gateway/access/access-token.ts'
import type { Config } from './config.ts'
import { tokensText } from './tokens-text.ts'

/** The values that no output may show, by name: a swarm's secrets, and secret settings. */
export function hiddenValues({ secrets, settings }: Config): ReadonlyMap<string, string> {
  const hidden = new Map<string, string>()
  for (const name of secrets.names()) {
    const value = readable(secrets, name)
    if (value === null) continue
    hidden.set(`secrets.${name}`, value)
    const password = URL.parse(value)?.password ?? ''
    if (password !== '') hidden.set(`password of secrets.${name}`, decoded(password))
  }
  for (const key of ['kafka_sasl_password', 'kafka_sasl_token', 'secrets_key'] as const) {
    const value = settings[key]
    if (value !== null) hidden.set(key, value)
  }
  for (const [name, value] of clearSecrets(tokensText(settings))) hidden.set(`token ${name}`, value)
  for (const key of ['clickhouse_url', 'schema_registry_url'] as const) {
    const url = URL.parse(settings[key] ?? '')
    if (url === null) continue
    if (url.password !== '') hidden.set(`password of ${key}`, decoded(url.password))
    for (const name of ['password', 'token', 'key']) {
      const value = url.searchParams.get(name)
      if (value !== null) hidden.set(`${name} of ${key}`, value)
    }
  }
  return hidden
}

/**
 * The value of a secret; null if the secret cannot be read. An unreadable value cannot appear in a text, and the bee that needs the secret reports
 * the reason.
 */
function readable(secrets: Config['secrets'], name: string): string | null {
  try {
    return secrets.find(name)?.reveal() ?? null
  } catch {
    return null
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
