import type { Config } from './config.ts'

/** Values that no output may show, by name: a swarm's secrets, and secret settings. */
export function hiddenValues({ secrets, settings }: Config): ReadonlyMap<string, string> {
  const hidden = new Map([...secrets].map(([name, value]) => [`secrets.${name}`, value]))
  for (const key of ['kafka_sasl_password', 'kafka_sasl_token'] as const) {
    const value = settings[key]
    if (value !== null) hidden.set(key, value)
  }
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

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
