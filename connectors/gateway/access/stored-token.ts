import { randomBytes } from 'node:crypto'
import { isFields } from '../../../topology/fields.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { type AccessToken, digestOf, isTokenName } from './access-token.ts'
import { isScope, type Scope, Scopes } from './scopes.ts'

/** A created token as lists show it. The secret is missing, because only the owner has it. */
export interface TokenRow {
  readonly name: string
  readonly scopes: readonly Scope[]
  /** The highest priority of the token's requests, 0 to 9. Missing: the highest. */
  readonly priority?: number
  /** ISO 8601. */
  readonly created_at: string
}

/** A new token. The secret is shown only this once. */
export interface NewToken extends TokenRow {
  readonly token: string
}

/** A created token as a file or a topic keeps it, with the SHA-256 of the secret in hexadecimal digits. */
export interface StoredToken extends TokenRow {
  readonly sha256: string
}

export interface NewTokenOptions {
  readonly name: string
  readonly scopes: readonly string[]
  readonly priority?: number | undefined
  readonly nowMs: number
}

/** Makes a token, which is not stored yet. Throws WAGGLE_TOKEN_INVALID. */
export function newToken({ name, scopes, priority, nowMs }: NewTokenOptions): { readonly made: NewToken; readonly stored: StoredToken } {
  if (!isTokenName(name)) throw invalid('The name of a token has 1 to 100 letters, digits, dots, dashes and underscores')
  if (scopes.length === 0) throw invalid('A token needs a scope')
  const unknown = scopes.find((scope) => !isScope(scope))
  if (unknown !== undefined) throw invalid(`${JSON.stringify(unknown.slice(0, 100))} is not a scope`)
  if (priority !== undefined && !isPriority(priority)) throw invalid('The priority of a token is a whole number from 0 to 9')
  const known = [...new Set(scopes.filter(isScope))]
  const row: TokenRow = { name, scopes: known, ...(priority === undefined ? {} : { priority }), created_at: new Date(nowMs).toISOString() }
  const token = `wgl_${randomBytes(32).toString('base64url')}`
  return { made: { ...row, token }, stored: { ...row, sha256: Buffer.from(digestOf(token)).toString('hex') } }
}

/** True for a value that `newToken` has made as `stored`. */
export function isStoredToken(value: unknown): value is StoredToken {
  if (!isFields(value)) return false
  const { name, scopes, priority, created_at, sha256 } = value
  return (
    typeof name === 'string' &&
    isTokenName(name) &&
    Array.isArray(scopes) &&
    scopes.every((scope) => typeof scope === 'string' && isScope(scope)) &&
    (priority === undefined || isPriority(priority)) &&
    typeof created_at === 'string' &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256)
  )
}

export function accessTokenOf({ name, scopes, priority, sha256 }: StoredToken): AccessToken {
  const maxPriority = priority === undefined ? {} : { maxPriority: priority }
  return { name, scopes: new Scopes(scopes), digest: Buffer.from(sha256, 'hex'), ...maxPriority }
}

export function rowOf({ sha256: _, ...row }: StoredToken): TokenRow {
  return row
}

export function tokenExists(name: string): WaggleError {
  return new WaggleError('WAGGLE_TOKEN_EXISTS', {
    message: `There is a token ${name} already`,
    next: 'Take another name, or revoke that token first.',
  })
}

export function unknownToken(name: string): WaggleError {
  return new WaggleError('WAGGLE_UNKNOWN_TOKEN', {
    message: `No token ${name.slice(0, 100)} was created here`,
    next: 'See `waggle tokens list`. A token of WAGGLE_TOKENS is revoked in that setting.',
  })
}

function isPriority(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 9
}

function invalid(message: string): WaggleError {
  return new WaggleError('WAGGLE_TOKEN_INVALID', { message, next: 'Scopes are ask:GATEWAY, ask:*, read and manage.' })
}
