import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { isFields } from '../../../topology/fields.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { withFileLock } from '../../system/file-lock.ts'
import { privateFileStats, readPrivateFile, writePrivateFile } from '../../system/private-file.ts'
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

export interface NewTokenOptions {
  readonly name: string
  readonly scopes: readonly string[]
  readonly priority?: number | undefined
  readonly nowMs: number
}

/**
 * Tokens that `waggle tokens create` has made. The file `tokens.json` of the data directory has only their hashes. Without the file there are no
 * tokens. The file stays when the last token is revoked, so that the server does not open to everybody.
 */
export class CreatedTokens {
  readonly #file: string

  constructor(dataDirectory: string) {
    this.#file = join(dataDirectory, 'tokens.json')
  }

  /** False if no token was ever created in this data directory. */
  get exist(): boolean {
    return privateFileStats(this.#file) !== undefined
  }

  /** Changes with each change of the file. */
  get signature(): string {
    const stats = privateFileStats(this.#file)
    return stats === undefined ? 'none' : `${stats.ino} ${stats.size} ${stats.mtimeMs}`
  }

  /** Throws WAGGLE_TOKENS_DAMAGED for a file that Waggle did not write. Throws WAGGLE_FILE_FOREIGN for a link and for a file of another user. */
  read(): readonly AccessToken[] {
    return this.#read().map(({ name, scopes, priority, sha256 }) => ({
      name,
      scopes: new Scopes(scopes),
      digest: Buffer.from(sha256, 'hex'),
      ...(priority === undefined ? {} : { maxPriority: priority }),
    }))
  }

  list(): readonly TokenRow[] {
    return this.#read().map(({ sha256: _, ...row }) => row)
  }

  /** Creates a token durably. Throws WAGGLE_TOKEN_INVALID, WAGGLE_TOKEN_EXISTS, WAGGLE_FILE_LOCKED, and the errors of `read`. */
  create({ name, scopes, priority, nowMs }: NewTokenOptions): NewToken {
    if (!isTokenName(name)) throw invalid('The name of a token has 1 to 100 letters, digits, dots, dashes and underscores')
    if (scopes.length === 0) throw invalid('A token needs a scope')
    const unknown = scopes.find((scope) => !isScope(scope))
    if (unknown !== undefined) throw invalid(`${JSON.stringify(unknown.slice(0, 100))} is not a scope`)
    if (priority !== undefined && !isPriority(priority)) throw invalid('The priority of a token is a whole number from 0 to 9')
    const known = [...new Set(scopes.filter(isScope))]
    const row: TokenRow = { name, scopes: known, ...(priority === undefined ? {} : { priority }), created_at: new Date(nowMs).toISOString() }
    const token = `wgl_${randomBytes(32).toString('base64url')}`
    this.#change((tokens) => {
      if (tokens.every((one) => one.name !== name)) return [...tokens, { ...row, sha256: Buffer.from(digestOf(token)).toString('hex') }]
      throw new WaggleError('WAGGLE_TOKEN_EXISTS', {
        message: `There is a token ${name} already`,
        next: 'Take another name, or revoke that token first.',
      })
    })
    return { ...row, token }
  }

  /** Throws WAGGLE_UNKNOWN_TOKEN if no token has this name. */
  revoke(name: string): void {
    this.#change((tokens) => {
      const left = tokens.filter((token) => token.name !== name)
      if (left.length < tokens.length) return left
      throw new WaggleError('WAGGLE_UNKNOWN_TOKEN', {
        message: `No token ${name.slice(0, 100)} was created here`,
        next: 'See `waggle tokens list`. A token of WAGGLE_TOKENS is revoked in that setting.',
      })
    })
  }

  /** Reads the file, applies `changed` to its tokens, and writes the file. Another process that wants to change the file waits meanwhile. */
  #change(changed: (tokens: readonly StoredToken[]) => readonly StoredToken[]): void {
    withFileLock(this.#file, () => {
      const tokens = changed(this.#read())
      writePrivateFile(this.#file, `${JSON.stringify({ version, tokens }, null, 2)}\n`)
    })
  }

  #read(): readonly StoredToken[] {
    if (!this.exist) return []
    const text = Buffer.from(readPrivateFile(this.#file, { maxBytes: maxFileBytes, next: 'Restore the file from a copy.' })).toString()
    const tokens = tokensIn(text)
    if (tokens !== null) return tokens
    throw new WaggleError('WAGGLE_TOKENS_DAMAGED', {
      message: `${this.#file} is not a list of tokens`,
      next: 'Restore the file from a copy. Without a copy, create every token again.',
    })
  }
}

interface StoredToken extends TokenRow {
  readonly sha256: string
}

const version = 1
const maxFileBytes = 16 * 1024 * 1024

function tokensIn(text: string): readonly StoredToken[] | null {
  try {
    const value: unknown = JSON.parse(text)
    if (!isFields(value) || value.version !== version || !Array.isArray(value.tokens)) return null
    const tokens: readonly unknown[] = value.tokens
    return tokens.every(isStored) ? tokens : null
  } catch {
    return null
  }
}

function isStored(value: unknown): value is StoredToken {
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

function isPriority(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 9
}

function invalid(message: string): WaggleError {
  return new WaggleError('WAGGLE_TOKEN_INVALID', { message, next: 'Scopes are ask:GATEWAY, ask:*, read and manage.' })
}
