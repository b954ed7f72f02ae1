import { join } from 'node:path'
import { isFields } from '../../../topology/fields.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { withFileLock } from '../../system/file-lock.ts'
import { privateFileStats, readPrivateFile, writePrivateFile } from '../../system/private-file.ts'
import type { AccessToken } from './access-token.ts'
import {
  accessTokenOf,
  isStoredToken,
  type NewToken,
  type NewTokenOptions,
  newToken,
  rowOf,
  type StoredToken,
  type TokenRow,
  tokenExists,
  unknownToken,
} from './stored-token.ts'

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

  /** A text that changes with each change of the file. */
  get fingerprint(): string {
    const stats = privateFileStats(this.#file)
    return stats === undefined ? 'none' : `${stats.ino} ${stats.size} ${stats.mtimeMs}`
  }

  /** Throws WAGGLE_TOKENS_DAMAGED for a file that Waggle did not write. Throws WAGGLE_FILE_FOREIGN for a link and for a file of another user. */
  read(): readonly AccessToken[] {
    return this.#read().map(accessTokenOf)
  }

  list(): readonly TokenRow[] {
    return this.#read().map(rowOf)
  }

  /** Creates a token durably. Throws WAGGLE_TOKEN_INVALID, WAGGLE_TOKEN_EXISTS, WAGGLE_FILE_LOCKED, and the errors of `read`. */
  create(options: NewTokenOptions): NewToken {
    const { made, stored } = newToken(options)
    this.#change((tokens) => {
      if (tokens.some(({ name }) => name === stored.name)) throw tokenExists(stored.name)
      return [...tokens, stored]
    })
    return made
  }

  /** Throws WAGGLE_UNKNOWN_TOKEN if no token has this name. */
  revoke(name: string): void {
    this.#change((tokens) => {
      const left = tokens.filter((token) => token.name !== name)
      if (left.length === tokens.length) throw unknownToken(name)
      return left
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

const version = 1
const maxFileBytes = 16 * 1024 * 1024

function tokensIn(text: string): readonly StoredToken[] | null {
  try {
    const value: unknown = JSON.parse(text)
    if (!isFields(value) || value.version !== version || !Array.isArray(value.tokens)) return null
    const tokens: readonly unknown[] = value.tokens
    return tokens.every(isStoredToken) ? tokens : null
  } catch {
    return null
  }
}
