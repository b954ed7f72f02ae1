import { hash, randomBytes } from 'node:crypto'
import { errors, type JWTPayload, jwtVerify } from 'jose'
import type { Caller } from '../access/caller.ts'
import { Unauthenticated } from '../access/known-caller.ts'
import { ProblemError } from '../http/problem.ts'
import { type ClaimScopes, valuesOfClaim } from './claim-scopes.ts'
import { IssuerAway, IssuerKeys, type IssuerKeysOptions } from './issuer-keys.ts'
import type { TokenTypes } from './token-types.ts'

export interface IssuerCallersOptions extends IssuerKeysOptions {
  /** The audience that a token must name. */
  readonly audience: string
  /** The signature algorithms that a token may have. None of them is symmetric. */
  readonly algorithms: readonly string[]
  readonly types: TokenTypes
  readonly scopesClaim: string
  readonly scopes: ClaimScopes
  /** The largest allowed difference between the issuer's clock and this machine's clock. */
  readonly clockSkewSeconds: number
}

/**
 * Callers with a token (JWT, RFC 7519) that an OpenID Connect provider has signed. Each token is checked once and then cached for at most a minute,
 * so that most requests need no signature check.
 */
export class IssuerCallers {
  readonly #options: IssuerCallersOptions
  readonly #keys: IssuerKeys
  readonly #known = new Map<string, KnownToken>()
  /** The key for the cache names of known tokens. With this key, the time of a look-up reveals nothing about a token. */
  readonly #secret = randomBytes(32)

  constructor(options: IssuerCallersOptions) {
    this.#options = options
    this.#keys = new IssuerKeys(options)
  }

  /**
   * The caller with this token; null if the text is not a signed JWT. Throws Unauthenticated with the reason (WAGGLE_TOKEN_REFUSED). Throws a
   * ProblemError WAGGLE_ISSUER_AWAY while the issuer's keys cannot be fetched.
   */
  find(token: string): Caller | null | Promise<Caller> {
    if (!signed.test(token)) return null
    const name = hash('sha256', Buffer.concat([this.#secret, Buffer.from(token)]), 'base64')
    const known = this.#known.get(name)
    const { clock } = this.#options
    if (known !== undefined && clock.elapsedMs() < known.checkAgainAtMs && clock.now() < known.expiresAt) return known.caller
    this.#known.delete(name)
    return this.#checked(token, name)
  }

  close(): void {
    this.#keys.close()
  }

  async #checked(token: string, name: string): Promise<Caller> {
    const { clock, issuer, audience, algorithms, clockSkewSeconds, scopesClaim, scopes } = this.#options
    const payload = await this.#payloadOf(token, {
      issuer,
      audience,
      algorithms: [...algorithms],
      clockTolerance: clockSkewSeconds,
      currentDate: new Date(clock.now()),
      requiredClaims: ['exp', 'sub'],
    })
    const { sub, exp = 0 } = payload
    // OpenID Connect Core 1.0, section 2: at most 255 ASCII characters.
    if (typeof sub !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(sub)) throw refused('its subject (sub) is not a text of at most 255 ASCII characters')
    const { maxPriority, scopes: granted } = scopes.of(valuesOfClaim(payload, scopesClaim))
    const caller: Caller = { name: `oidc:${issuer}#${sub}`, scopes: granted, maxPriority }
    if (this.#known.size >= maxKnown) this.#forgetOldest()
    this.#known.set(name, { caller, checkAgainAtMs: clock.elapsedMs() + longestKnownMs, expiresAt: (exp + clockSkewSeconds) * 1000 })
    return caller
  }

  async #payloadOf(token: string, options: Parameters<typeof jwtVerify>[2]): Promise<JWTPayload> {
    const { types } = this.#options
    try {
      const { payload } = await jwtVerify(
        token,
        (header) => {
          if (!types.allow(header.typ)) throw refused(`its type (typ) is not one of ${types}`)
          return this.#keys.find(header)
        },
        options,
      )
      return payload
    } catch (thrown) {
      if (thrown instanceof IssuerAway)
        throw new ProblemError('WAGGLE_ISSUER_AWAY', `Nobody can say whether the token is valid: ${thrown.message}`, retryAfterSeconds)
      if (thrown instanceof errors.JOSEError) throw refused(reasonOf(thrown))
      // `jose` and WebCrypto throw these errors for a key that is too short, or that is not a key.
      if (thrown instanceof TypeError || thrown instanceof DOMException) throw refused('the key that the issuer names for it cannot be used')
      throw thrown
    }
  }

  #forgetOldest(): void {
    const [oldest] = this.#known.keys()
    if (oldest !== undefined) this.#known.delete(oldest)
  }
}

interface KnownToken {
  readonly caller: Caller
  readonly checkAgainAtMs: number
  /** The time in epoch milliseconds. */
  readonly expiresAt: number
}

function refused(why: string): Unauthenticated {
  return new Unauthenticated('WAGGLE_TOKEN_REFUSED', `The token is not accepted: ${why}`)
}

/** The reason for the caller. It names the failed check, and quotes nothing of the token. */
function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'it has expired'
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim } = error
    if (claim === 'iss') return 'it is of another issuer'
    if (claim === 'aud') return 'it is for another audience'
    if (claim === 'nbf') return 'it is not valid yet'
    return `its claim ${claim} is missing or wrong`
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return 'its signature algorithm (alg) is not allowed here'
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'its signature is wrong'
  if (error instanceof errors.JWKSNoMatchingKey) return 'the issuer has no key for it'
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'it does not name its key (kid), and the issuer has several'
  return 'it is not a signed JSON Web Token'
}

/** Three parts. The first part begins with `{"` in base64url. The third part is empty in an unsigned token. */
const signed = /^eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*$/
const maxKnown = 10_000
const longestKnownMs = 60_000
const retryAfterSeconds = 5
