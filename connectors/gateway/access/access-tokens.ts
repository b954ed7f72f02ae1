import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { type AccessToken, digestOf } from './access-token.ts'
import type { Caller } from './caller.ts'
import { highestPriority } from './caller-limits.ts'

/** The tokens that a process accepts now, from several sources, such as the settings and the data directory. */
export class AccessTokens {
  readonly #sources = new Map<string, readonly AccessToken[]>()
  /**
   * The accepted tokens. A key is a MAC of the digest with a key that only this process has, so the time of a look-up reveals nothing about a digest.
   */
  readonly #index = new Map<string, { readonly digest: Uint8Array; readonly caller: Caller }>()
  /**
   * The callers who have sent an accepted secret since the tokens last changed. The key is a MAC of the secret, so finding a known caller costs one
   * hash.
   */
  readonly #known = new Map<string, Caller>()
  readonly #key = randomBytes(32)
  readonly #keyText = randomBytes(32).toString('hex')

  /** Replaces all tokens of a source. A token that is not in the new list is no longer accepted. */
  replace(source: string, tokens: readonly AccessToken[]): void {
    this.#sources.set(source, tokens)
    this.#index.clear()
    this.#known.clear()
    for (const { name, digest, scopes, maxPriority = highestPriority } of [...this.#sources.values()].flat())
      this.#index.set(this.#keyOf(digest), { digest, caller: { name: `token:${name}`, scopes, maxPriority } })
  }

  /** The caller with this secret; null if no token has this secret. */
  find(secret: string): Caller | null {
    const mac = hash('sha256', this.#keyText + secret, 'base64')
    const known = this.#known.get(mac)
    if (known !== undefined) return known
    const digest = digestOf(secret)
    const found = this.#index.get(this.#keyOf(digest))
    if (found === undefined || !timingSafeEqual(found.digest, digest)) return null
    this.#known.set(mac, found.caller)
    return found.caller
  }

  #keyOf(digest: Uint8Array): string {
    // Both parts have a fixed length, so one hash is a MAC here. It takes a third of the time of an HMAC object.
    return hash('sha256', Buffer.concat([this.#key, digest]), 'base64')
  }
}
