import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Secrets } from '../../topology/swarm/ports/secrets.ts'
import { Secret } from '../../topology/swarm/secrets/secret.ts'
import { isSecretName } from '../../topology/swarm/secrets/secret-references.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { readBounded } from '../system/bounded-file.ts'

/**
 * Secrets from the files of a folder, as Docker and Kubernetes mount them. The name of a file is the name of the secret, and its content without the
 * newline at the end is the value. A file is ignored if its name cannot be the name of a secret. Each file is read once.
 */
export class SecretFolder implements Secrets {
  readonly #directory: string
  readonly #known = new Map<string, Secret>()

  constructor(directory: string) {
    this.#directory = directory
  }

  find(name: string): Secret | null {
    if (!this.names().includes(name)) return null
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const secret = new Secret(this.#read(name))
    this.#known.set(name, secret)
    return secret
  }

  names(): readonly string[] {
    try {
      return readdirSync(this.#directory).filter(isSecretName)
    } catch {
      // A folder that cannot be read has no secrets. The error for a missing secret then names the folder (`howToSet`).
      return []
    }
  }

  howToSet(name: string): string {
    return `write it to the file ${join(this.#directory, name)}`
  }

  #read(name: string): string {
    const file = join(this.#directory, name)
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(readBounded(file, { maxBytes: maxSecretBytes, next: '' }))
      return text.replace(/\r?\n$/, '')
    } catch (thrown) {
      // The decoder's error for text that is not UTF-8 does not name the file.
      const why = thrown instanceof WaggleError ? thrown.message : `${file} is not UTF-8`
      throw new WaggleError('WAGGLE_SECRET_UNREADABLE', {
        message: `the secret ${name} cannot be read: ${why}`,
        next: `Let this process read the file, as text of at most ${maxSecretBytes / 1024} KiB.`,
      })
    }
  }
}

const maxSecretBytes = 64 * 1024
