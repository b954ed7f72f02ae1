import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

/** A text that was encrypted with one of the keys. */
export interface Sealed {
  /** The beginning of a hash of the key that encrypted the text. */
  readonly key: string
  /** Nonce, ciphertext and tag, in base64. */
  readonly data: string
}

/** The keys of the store of secrets. The first key encrypts, and all keys decrypt, so that a key can be replaced without losing a secret. */
export class SecretKeys {
  readonly #keys: ReadonlyMap<string, Buffer>

  private constructor(keys: readonly Buffer[]) {
    this.#keys = new Map(keys.map((key) => [idOf(key), key]))
  }

  /**
   * Reads keys of 32 bytes in base64 or hexadecimal, separated by commas or line breaks, the newest first. Throws a RangeError whose message contains
   * no key.
   * @example SecretKeys.parse(randomBytes(32).toString('base64'))
   */
  static parse(text: string): SecretKeys {
    const words = text.split(/[\s,]+/).filter((word) => word !== '')
    const keys = words.map((word, at) => {
      const bytes = /^[0-9a-f]{64}$/i.test(word) ? Buffer.from(word, 'hex') : Buffer.from(word, 'base64')
      if (bytes.length === keyBytes && /^[A-Za-z0-9+/_-]+=*$/.test(word)) return bytes
      throw new RangeError(`Key ${at + 1} is not ${keyBytes} bytes in base64 or hexadecimal`)
    })
    return new SecretKeys(keys)
  }

  /** True if there is no key, so that no secret can be encrypted. */
  get isEmpty(): boolean {
    return this.#keys.size === 0
  }

  /** Encrypts with AES-256-GCM (NIST SP 800-38D). `name` is authenticated too, so a value cannot be moved to another name. */
  seal(name: string, value: string): Sealed {
    const [first] = this.#keys
    if (first === undefined) throw new RangeError('There is no key')
    const [key, bytes] = first
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', bytes, nonce).setAAD(Buffer.from(name))
    const data = Buffer.concat([nonce, cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return { key, data: data.toString('base64') }
  }

  /** Decrypts a text. Null if no key fits, or if the data was changed. */
  open(name: string, { key, data }: Sealed): string | null {
    const bytes = this.#keys.get(key)
    const sealed = Buffer.from(data, 'base64')
    if (bytes === undefined || sealed.length < nonceBytes + tagBytes) return null
    const decipher = createDecipheriv('aes-256-gcm', bytes, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes })
    decipher.setAAD(Buffer.from(name)).setAuthTag(sealed.subarray(-tagBytes))
    try {
      return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, -tagBytes)), decipher.final()]).toString()
    } catch {
      return null
    }
  }

  /** True if the text was encrypted with the first key. */
  isNewest({ key }: Sealed): boolean {
    return key === this.#keys.keys().next().value
  }
}

const keyBytes = 32
/** A nonce is 96 random bits (SP 800-38D, section 8.2.2). Each nonce is used once, and a key encrypts far fewer than 2^32 values. */
const nonceBytes = 12
const tagBytes = 16

function idOf(key: Buffer): string {
  return createHash('sha256').update('waggle secrets key').update(key).digest('hex').slice(0, 16)
}
