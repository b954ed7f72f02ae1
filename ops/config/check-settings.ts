import { accessSync, constants } from 'node:fs'
import { claimBucket } from '../../connectors/claims/claim-bucket.ts'
import { parseTokens } from '../../connectors/gateway/access/access-token.ts'
import { AllowedHosts } from '../../connectors/http/allowed-hosts.ts'
import { isOrigin } from '../../connectors/http/cross-origin.ts'
import { mistakeAt } from '../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { isLogLevels } from '../process-log/log-threshold.ts'
import type { Settings } from './settings.ts'
import { secretKeys } from './stored-secrets.ts'
import { checkIssuer } from './token-issuer.ts'
import { tokensText } from './tokens-text.ts'

/**
 * The mistakes in settings that a schema cannot find, for example in settings that depend on each other. The place of a mistake is the setting to
 * correct. `settingPlace` returns the place of a setting in the file, or the name of its variable.
 */
export function checkSettings(settings: Settings, settingPlace: (key: keyof Settings) => string): readonly WaggleError[] {
  const mistakes: WaggleError[] = []
  const add = (key: keyof Settings, message: string, next: string) => mistakes.push(mistakeAt(settingPlace(key), message, next))
  checkReplyTopics(settings, add)
  if (!isLogLevels(settings.log_level))
    add(
      'log_level',
      `${JSON.stringify(settings.log_level)} is not a level of a log`,
      'Write debug, info, warn or error; or module=level, several with commas.',
    )
  checkHosts(settings, add)
  checkTls(settings, add)
  checkTokens(settings, add)
  checkIssuer(settings, add)
  checkOrigins(settings, add)
  checkSecretKeys(settings, add)
  checkAllowedHosts(settings, 'model_hosts', add)
  checkAllowedHosts(settings, 'http_call_hosts', add)
  checkAllowedHosts(settings, 'postgres_hosts', add)
  checkAllowedHosts(settings, 'image_hosts', add)
  checkClaimStore(settings, add)
  if (settings.log !== 'kafka') return mistakes
  checkBrokers(settings, add)
  checkSignIn(settings, add)
  for (const key of ['kafka_ssl_ca', 'kafka_ssl_cert', 'kafka_ssl_key'] as const) {
    const path = settings[key]
    if (path !== null && !isReadable(path)) add(key, `${path} cannot be read`, 'Name a PEM file that this process may read.')
  }
  if ((settings.kafka_ssl_cert === null) !== (settings.kafka_ssl_key === null)) {
    const missing = settings.kafka_ssl_cert === null ? 'kafka_ssl_cert' : 'kafka_ssl_key'
    add(missing, `${missing} is missing: a certificate goes with its key`, 'Set both, or neither.')
  }
  if (settings.kafka_client === 'kafkajs') {
    if (settings.processing === 'exactly_once')
      add('processing', 'kafkajs cannot do exactly_once', 'Set at_least_once, or KAFKA_CLIENT=platformatic.')
    if (settings.instance !== null)
      add('instance', 'kafkajs has no members with names of their own', 'Leave it out, or set KAFKA_CLIENT=platformatic.')
  }
  return mistakes
}

type Add = (key: keyof Settings, message: string, next: string) => void

function checkBrokers({ kafka_brokers }: Settings, add: Add): void {
  if (kafka_brokers === null) {
    add('kafka_brokers', 'log: kafka does not say where Kafka is', 'Set KAFKA_BROKERS=host:port, several with commas between them.')
    return
  }
  for (const address of kafka_brokers.split(',')) {
    const port = Number(/^\s*(?:\[[^\]]+\]|[^\s:[\]]+):(\d{1,5})\s*$/.exec(address)?.[1] ?? Number.NaN)
    if (port > 0 && port < 65_536) continue
    add(
      'kafka_brokers',
      `${JSON.stringify(address)} is not an address of a broker`,
      'Write host:port, and several addresses with commas between them.',
    )
  }
}

function checkSignIn(settings: Settings, add: Add): void {
  const { kafka_sasl_mechanism: mechanism, kafka_sasl_token: token, kafka_sasl_token_command: command } = settings
  const named = ['kafka_sasl_username', 'kafka_sasl_password'] as const
  if (mechanism === null) {
    const given = [...named, 'kafka_sasl_token', 'kafka_sasl_token_command' as const].find((key) => settings[key as keyof Settings] !== null)
    if (given !== undefined) {
      add(
        'kafka_sasl_mechanism',
        `${given} is set, and no mechanism to sign in by`,
        'Set KAFKA_SASL_MECHANISM to plain, scram-sha-256, scram-sha-512 or oauthbearer.',
      )
    }
    return
  }
  if (mechanism === 'oauthbearer') {
    if ((token === null) === (command === null)) {
      add(
        'kafka_sasl_token',
        token === null ? 'oauthbearer needs a token' : 'a token and a command for one are set',
        'Set one of KAFKA_SASL_TOKEN and KAFKA_SASL_TOKEN_COMMAND.',
      )
    }
    return
  }
  for (const key of named)
    if (settings[key] === null) add(key, `${mechanism} needs a user and a password`, 'Set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.')
}

function checkReplyTopics({ reply_topics }: Settings, add: Add): void {
  for (const name of (reply_topics ?? '').split(',')) {
    if (reply_topics === null || /^\s*[A-Za-z0-9._-]+\*?\s*$|^\s*\*\s*$/.test(name)) continue
    add(
      'reply_topics',
      `${JSON.stringify(name)} is neither a topic nor the beginning of one with a * behind it`,
      'Write names with commas between them, as in answers,team-*.',
    )
  }
}

function checkHosts({ hosts }: Settings, add: Add): void {
  for (const name of hosts === null ? [] : hosts.split(',')) {
    if (/^\s*(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?\s*$/i.test(name)) continue
    add('hosts', `${JSON.stringify(name)} is not a name of a server`, 'Write names with commas between them, as in waggle,proxy.example:8443.')
  }
}

function checkOrigins({ cors_origins }: Settings, add: Add): void {
  for (const origin of cors_origins === null ? [] : cors_origins.split(',')) {
    if (isOrigin(origin.trim())) continue
    const next = 'Write origins with commas between them, as in https://shop.example,http://localhost:3000. There is no word for all of them.'
    add('cors_origins', `${JSON.stringify(origin)} is not the origin of a page`, next)
  }
}

function checkTls(settings: Settings, add: Add): void {
  for (const key of ['tls_cert', 'tls_key', 'tls_client_ca'] as const) {
    const path = settings[key]
    if (path !== null && !isReadable(path)) add(key, `${path} cannot be read`, 'Name a PEM file that this process may read.')
  }
  const { tls_cert: cert, tls_key: key, tls_client_ca: clientCa } = settings
  if ((cert === null) !== (key === null) || (cert === null && clientCa !== null)) {
    const missing = cert === null ? 'tls_cert' : 'tls_key'
    add(missing, `${missing} is missing: a certificate goes with its key`, 'Set WAGGLE_TLS_CERT and WAGGLE_TLS_KEY.')
  }
}

function checkTokens(settings: Settings, add: Add): void {
  const next = 'Write NAME=SECRET:SCOPE, as in web=0123456789abcdef:ask:teddy. Scopes are ask:GATEWAY, ask:*, read and manage.'
  for (const key of ['tokens', 'tokens_file'] as const)
    checkList(key, () => parseTokens(tokensText({ tokens: null, tokens_file: null, [key]: settings[key] })), next, add)
}

function checkSecretKeys(settings: Settings, add: Add): void {
  const next = 'Make one with `openssl rand -base64 32`.'
  for (const key of ['secrets_key', 'secrets_key_file'] as const)
    checkList(key, () => secretKeys({ secrets_key: null, secrets_key_file: null, [key]: settings[key] }), next, add)
}

function checkClaimStore({ claim_store: store }: Settings, add: Add): void {
  if (store === null || store === 'data-directory' || claimBucket(store) !== null) return
  add('claim_store', `${JSON.stringify(store)} is not a claim store`, 'Write data-directory, or s3://BUCKET/PREFIX.')
}

/** Adds a mistake if `parse` throws. `parse` throws a WaggleError for an unreadable file, and a RangeError for a wrong list. */
function checkList(key: keyof Settings, parse: () => unknown, next: string, add: Add): void {
  try {
    parse()
  } catch (thrown) {
    if (thrown instanceof WaggleError) add(key, thrown.message, thrown.next)
    else if (thrown instanceof RangeError) add(key, thrown.message, next)
    else throw thrown
  }
}

function checkAllowedHosts(settings: Settings, key: 'model_hosts' | 'http_call_hosts' | 'postgres_hosts' | 'image_hosts', add: Add): void {
  try {
    AllowedHosts.parse(settings[key])
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown
    add(key, thrown.message, 'Write names, addresses and networks with commas between them, as in models.example,10.0.0.0/8.')
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}
