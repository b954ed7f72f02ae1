import { hash } from 'node:crypto'
import { isScope, Scopes } from './scopes.ts'

/** A bearer token as Waggle keeps it: without its secret. */
export interface AccessToken {
  readonly name: string
  /** SHA-256 of the secret. Secrets are long and random, so a slow hash would add no safety. */
  readonly digest: Uint8Array
  readonly scopes: Scopes
  /** The highest priority of the token's requests, 0 to 9. Undefined: the highest. */
  readonly maxPriority?: number
}

/**
 * Reads the setting `tokens`: entries `NAME=SECRET:SCOPE,SCOPE`, separated by `;` or line breaks. `priority:N` among the scopes limits `X-Priority`.
 * `sha256-HEX` in place of the secret is the hash of the secret. A line that begins with `#` is a comment. Throws a RangeError that names the token,
 * and never quotes a secret.
 *
 * @example parseTokens('web=0123456789abcdef:ask:teddy;prometheus=fedcba9876543210:read')
 */
export function parseTokens(text: string): readonly AccessToken[] {
  const tokens = text
    .split(/[;\r\n]/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line, at) => tokenOf(line, at + 1))
  const names = tokens.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw new RangeError(`There are two tokens ${twice}`)
  return tokens
}

/** The secrets that the setting contains in clear text, by the names of their tokens. Empty for a text that is not a list of tokens. */
export function clearSecrets(text: string): ReadonlyMap<string, string> {
  const found = text.split(/[;\r\n]/).flatMap((line) => {
    const [, name, secret] = form.exec(line.trim()) ?? []
    return name === undefined || secret === undefined || hashed.test(secret) ? [] : [[name, secret] as const]
  })
  return new Map(found)
}

export function digestOf(secret: string): Uint8Array {
  return hash('sha256', secret, 'buffer')
}

export function isTokenName(name: string): boolean {
  return /^[A-Za-z0-9._-]{1,100}$/.test(name)
}

const form = /^([^=:\s]+)=([^:\s]+):(.+)$/
const hashed = /^sha256-([0-9a-f]{64})$/i
/** The characters of a bearer token (RFC 6750, section 2.1). */
const bearer = /^[A-Za-z0-9\-._~+/]+=*$/
const minSecretLength = 16

function tokenOf(line: string, number: number): AccessToken {
  const [, name = '', secret = '', list = ''] = form.exec(line) ?? []
  if (!isTokenName(name)) throw new RangeError(`Token ${number} is not of the form NAME=SECRET:SCOPE`)
  const given = hashed.exec(secret)?.[1]
  // A hash with a missing character must not count as a secret in clear text. Otherwise everybody who can read the setting could sign in with that
  // text.
  if (given === undefined && /^sha256-/i.test(secret)) throw new RangeError(`The hash of token ${name} is not sha256- and 64 hexadecimal digits`)
  if (given === undefined && (secret.length < minSecretLength || !bearer.test(secret)))
    throw new RangeError(`The secret of token ${name} has fewer than ${minSecretLength} characters, or others than letters, digits and -._~+/`)
  const words = list.split(',').map((word) => word.trim())
  const priority = words.map((word) => /^priority:([0-9])$/.exec(word)?.[1]).find((digit) => digit !== undefined)
  const scopes = words.filter((word) => !/^priority:[0-9]$/.test(word))
  const unknown = scopes.find((scope) => !isScope(scope))
  if (unknown !== undefined) throw new RangeError(`Token ${name} has ${JSON.stringify(unknown.slice(0, 100))}, which is not a scope`)
  return {
    name,
    digest: given === undefined ? digestOf(secret) : Buffer.from(given, 'hex'),
    scopes: Scopes.parse(scopes),
    ...(priority === undefined ? {} : { maxPriority: Number(priority) }),
  }
}
