import { join } from 'node:path'
import { isFields } from '../../topology/fields.ts'
import type { Secrets } from '../../topology/swarm/ports/secrets.ts'
import { Secret } from '../../topology/swarm/secrets/secret.ts'
import { isSecretName } from '../../topology/swarm/secrets/secret-references.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { withFileLock } from '../system/file-lock.ts'
import { privateFileStats, readPrivateFile, writePrivateFile } from '../system/private-file.ts'
import type { Sealed, SecretKeys } from './secret-keys.ts'

/** The size limit of a secret, in bytes of UTF-8. */
export const maxSecretBytes = 64 * 1024
/** The longest name of a secret: an environment and a file system take no longer one everywhere. */
export const maxNameLength = 255

/**
 * Secrets set by `waggle secrets set`, encrypted in the file `secrets.json` of the data directory. Each call reads the file, so the next swarm that
 * starts gets a new value.
 */
export class EncryptedSecrets implements Secrets {
  readonly #file: string
  readonly #keys: SecretKeys

  constructor(dataDirectory: string, keys: SecretKeys) {
    this.#file = join(dataDirectory, 'secrets.json')
    this.#keys = keys
  }

  /** The secret; null if it is not in this store. Throws WAGGLE_SECRET_UNREADABLE if no key fits, or if the file was tampered with. */
  find(name: string): Secret | null {
    const sealed = this.#read().get(name)
    return sealed === undefined ? null : new Secret(this.#open(name, sealed))
  }

  names(): readonly string[] {
    return [...this.#read().keys()]
  }

  howToSet(name: string): string {
    return `store it with \`waggle secrets set ${name}\``
  }

  /** Stores a value durably, and replaces an earlier value. Throws WAGGLE_SECRET_INVALID, WAGGLE_SECRETS_NOT_ENCRYPTED and WAGGLE_FILE_LOCKED. */
  set(name: string, value: string): void {
    if (!isSecretName(name) || name.length > maxNameLength)
      throw invalid(`The name of a secret has at most ${maxNameLength} letters, digits and underscores, and does not begin with a digit`)
    if (value === '' || Buffer.byteLength(value) > maxSecretBytes) throw invalid(`The value of a secret has 1 to ${maxSecretBytes} bytes`)
    this.#requireKey()
    this.#change((stored) => new Map([...stored, [name, this.#keys.seal(name, value)]]))
  }

  /** Deletes a secret. Throws WAGGLE_UNKNOWN_SECRET if the secret is not in this store. */
  delete(name: string): void {
    this.#change((stored) => {
      const left = new Map(stored)
      if (left.delete(name)) return left
      throw new WaggleError('WAGGLE_UNKNOWN_SECRET', {
        message: `No secret ${name.slice(0, 100)} is stored here`,
        next: 'See `waggle secrets list`. A secret of a variable or a folder is removed there.',
      })
    })
  }

  /**
   * Encrypts all values of older keys again, with the newest key. The older keys are then no longer needed. A value that no key can decrypt is kept
   * unchanged.
   */
  renew(): void {
    if (this.#keys.isEmpty || ![...this.#read().values()].some((sealed) => !this.#keys.isNewest(sealed))) return
    this.#change((stored) => {
      const renewed = [...stored].map(([name, sealed]) => {
        const value = this.#keys.isNewest(sealed) ? null : this.#keys.open(name, sealed)
        return [name, value === null ? sealed : this.#keys.seal(name, value)] as const
      })
      return new Map(renewed)
    })
  }

  #requireKey(): void {
    if (!this.#keys.isEmpty) return
    throw new WaggleError('WAGGLE_SECRETS_NOT_ENCRYPTED', {
      message: 'There is no key to encrypt secrets with',
      next: 'Make a key (`openssl rand -base64 32 > FILE`) and set WAGGLE_SECRETS_KEY_FILE, or WAGGLE_SECRETS_KEY.',
    })
  }

  #open(name: string, sealed: Sealed): string {
    const value = this.#keys.open(name, sealed)
    if (value !== null) return value
    throw new WaggleError('WAGGLE_SECRET_UNREADABLE', {
      message: `the secret ${name} cannot be decrypted: no key fits, or somebody has changed ${this.#file}`,
      next: 'Set WAGGLE_SECRETS_KEY or WAGGLE_SECRETS_KEY_FILE to the key that encrypted the secret, or set the secret again.',
    })
  }

  #read(): ReadonlyMap<string, Sealed> {
    if (privateFileStats(this.#file) === undefined) return new Map()
    const text = Buffer.from(readPrivateFile(this.#file, { maxBytes: maxFileBytes, next: 'Restore the file from a copy.' })).toString()
    const secrets = secretsIn(text)
    if (secrets !== null) return secrets
    throw new WaggleError('WAGGLE_SECRETS_DAMAGED', {
      message: `${this.#file} is not a store of secrets`,
      next: 'Restore the file from a copy, or delete it and set the secrets again.',
    })
  }

  /** Reads the file, applies `changed` to its secrets, and writes the file. Another process that wants to change the file waits meanwhile. */
  #change(changed: (stored: ReadonlyMap<string, Sealed>) => ReadonlyMap<string, Sealed>): void {
    withFileLock(this.#file, () => {
      const sorted = [...changed(this.#read())].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, { key, data }]) => ({ name, key, data }))
      writePrivateFile(this.#file, `${JSON.stringify({ version, secrets: sorted }, null, 2)}\n`)
    })
  }
}

const version = 1
const maxFileBytes = 64 * 1024 * 1024

function secretsIn(text: string): ReadonlyMap<string, Sealed> | null {
  try {
    const value: unknown = JSON.parse(text)
    if (!isFields(value) || value.version !== version || !Array.isArray(value.secrets)) return null
    const secrets: readonly unknown[] = value.secrets
    return secrets.every(isStored) ? new Map(secrets.map(({ name, key, data }) => [name, { key, data }])) : null
  } catch {
    return null
  }
}

function isStored(value: unknown): value is Sealed & { readonly name: string } {
  return (
    isFields(value) && typeof value.name === 'string' && isSecretName(value.name) && typeof value.key === 'string' && typeof value.data === 'string'
  )
}

function invalid(message: string): WaggleError {
  return new WaggleError('WAGGLE_SECRET_INVALID', { message, next: 'See `waggle secrets set --help`.' })
}
