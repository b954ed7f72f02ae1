import type { LookupFunction } from 'node:net'
import { type CompactJWSHeaderParameters, type CryptoKey, createLocalJWKSet, errors, type JWK } from 'jose'
import type { Clock } from '../../../processor/ports.ts'
import { isFields } from '../../../topology/fields.ts'
import type { AllowedHosts } from '../../http/allowed-hosts.ts'
import { guardedLookup } from '../../http/guarded-lookup.ts'
import { isLoopback } from '../../http/loopback.ts'
import { ExchangeFailure, exchange } from '../../http-calls/http-exchange.ts'

export interface IssuerKeysOptions {
  /** The issuer's name, which is an address. Tokens of the issuer have this name as `iss`. */
  readonly issuer: string
  /** The address of the keys. Null: the address comes from the issuer's discovery document. */
  readonly jwksUrl: string | null
  /** The servers from which the document and the keys may be fetched. */
  readonly hosts: AllowedHosts
  /** Finds the addresses of a name. Default: the lookup of the operating system. */
  readonly lookup?: LookupFunction
  readonly clock: Clock
  /** Called with a notice for operators when the keys cannot be fetched. */
  readonly onProblem: (problem: string) => void
}

/** The error while an issuer's keys cannot be fetched, so that no token of the issuer can be checked. */
export class IssuerAway extends Error {}

/**
 * The public keys of an issuer (RFC 7517), fetched over a guarded connection and cached. Keys older than ten minutes are fetched again; the old keys
 * stay in use meanwhile. A token with an unknown key also causes a fetch, at most once in ten seconds. After each failure the pause before the next
 * attempt doubles, up to a minute. Old keys stay in use for at most a day.
 */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions
  readonly #closed = new AbortController()
  #keys: Keys | null = null
  #renewal: Promise<void> | null = null
  #failures = 0
  #triesAgainAtMs = Number.NEGATIVE_INFINITY
  #problem = ''

  constructor(options: IssuerKeysOptions) {
    this.#options = options
  }

  /**
   * The key that a token's header names. Throws JWKSNoMatchingKey and JWKSMultipleMatchingKeys of `jose`. Throws an IssuerAway if there are no usable
   * keys.
   */
  async find(header: CompactJWSHeaderParameters): Promise<CryptoKey> {
    const known = this.#usable()
    if (known === null) return (await this.#renewed()).find(header)
    if (this.#ageOf(known) > freshMs)
      this.#renew().catch((thrown: unknown) => this.#options.onProblem(`the keys of the issuer stay as they were: ${String(thrown)}`))
    try {
      return await known.find(header)
    } catch (thrown) {
      const isUnknown = thrown instanceof errors.JWKSNoMatchingKey
      if (!isUnknown || this.#ageOf(known) < betweenLooksMs) throw thrown
      const newer = await this.#renewed()
      if (newer === known) throw thrown
      return await newer.find(header)
    }
  }

  close(): void {
    this.#closed.abort(new IssuerAway('Waggle stops'))
  }

  /** The keys after an attempt to fetch them again. */
  async #renewed(): Promise<Keys> {
    await this.#renew()
    const keys = this.#usable()
    if (keys === null) throw new IssuerAway(this.#problem)
    return keys
  }

  #usable(): Keys | null {
    return this.#keys !== null && this.#ageOf(this.#keys) < longestUseMs ? this.#keys : null
  }

  #ageOf({ fetchedAtMs }: Keys): number {
    return this.#options.clock.elapsedMs() - fetchedAtMs
  }

  /** Fetches the keys, except during the pause after a failure. All callers share one fetch. */
  #renew(): Promise<void> {
    if (this.#renewal !== null) return this.#renewal
    if (this.#options.clock.elapsedMs() < this.#triesAgainAtMs) return Promise.resolve()
    this.#renewal = this.#fetch().finally(() => {
      this.#renewal = null
    })
    return this.#renewal
  }

  async #fetch(): Promise<void> {
    const { clock, onProblem } = this.#options
    try {
      const fetched = await this.#fetchedKeys()
      this.#keys = { find: createLocalJWKSet({ keys: [...fetched] }), fetchedAtMs: clock.elapsedMs() }
      this.#failures = 0
    } catch (thrown) {
      // No answer of the issuer may end the process, so every kind of error counts as a failure and starts the pause.
      this.#problem = thrown instanceof Error ? thrown.message : 'the keys cannot be read'
      const pauseMs = Math.min(firstPauseMs * 2 ** this.#failures++, longestPauseMs)
      this.#triesAgainAtMs = clock.elapsedMs() + pauseMs
      if (!this.#closed.signal.aborted) onProblem(`the keys of the issuer cannot be fetched, next try in ${pauseMs / 1000} s: ${this.#problem}`)
    }
  }

  async #fetchedKeys(): Promise<readonly JWK[]> {
    const address = this.#options.jwksUrl ?? (await this.#discovered())
    const { keys } = await this.#json(address)
    const found = Array.isArray(keys) ? keys.filter(isPublicKey) : []
    if (found.length === 0) throw new IssuerAway(`${address} has no public key`)
    if (found.length > maxKeys) throw new IssuerAway(`${address} has more than ${maxKeys} keys`)
    return found
  }

  /** The address of the keys, from the discovery document (OpenID Connect Discovery 1.0, section 4). */
  async #discovered(): Promise<string> {
    const { issuer } = this.#options
    const address = `${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`
    const { issuer: named, jwks_uri: keys } = await this.#json(address)
    if (named !== issuer) throw new IssuerAway(`${address} belongs to another issuer`)
    if (typeof keys !== 'string') throw new IssuerAway(`${address} names no jwks_uri`)
    return keys
  }

  async #json(address: string): Promise<{ readonly [name: string]: unknown }> {
    const { hosts, clock, lookup } = this.#options
    const url = URL.parse(address)
    if (url === null || !isUsable(url)) throw new IssuerAway(`${address.slice(0, 200)} is not an https address`)
    if (!hosts.has(url)) throw new IssuerAway(`${url.host} is not in WAGGLE_OIDC_HOSTS`)
    const forbidden = (hostname: string) =>
      new ExchangeFailure('forbidden', `is not asked: ${hostname} stands for a private address, and WAGGLE_OIDC_HOSTS does not have that`)
    const call = {
      method: 'GET',
      url,
      shown: url.href,
      headers: { accept: 'application/json' },
      body: null,
      isIdempotent: true,
      attempts: 1,
      attemptMs,
      maxAnswerBytes,
      deadline: null,
      signal: this.#closed.signal,
    }
    const { status, bytes } = await exchange(call, { clock, lookup: guardedLookup({ hosts, lookup, forbidden }), agent: null }).catch(
      (thrown: unknown) => {
        throw thrown instanceof ExchangeFailure ? new IssuerAway(`${url.host} ${thrown.message}`, { cause: thrown }) : thrown
      },
    )
    if (status !== 200) throw new IssuerAway(`${url.host} answers ${status}`)
    const value = jsonIn(bytes)
    if (value === null) throw new IssuerAway(`${url.host} answers with something that is not a JSON object`)
    return value
  }
}

interface Keys {
  readonly find: (header: CompactJWSHeaderParameters) => Promise<CryptoKey>
  readonly fetchedAtMs: number
}

/** True for an address whose answer nobody on the network can replace. */
export function isUsable({ protocol, hostname, username, password }: URL): boolean {
  if (username !== '' || password !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
}

function jsonIn(bytes: Uint8Array): { readonly [name: string]: unknown } | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    return isFields(value) ? value : null
  } catch {
    return null
  }
}

/** False for a secret key (`oct`): everybody who can read the document could sign tokens with it. */
function isPublicKey(key: unknown): key is JWK {
  return key !== null && typeof key === 'object' && 'kty' in key && typeof key.kty === 'string' && ['RSA', 'EC', 'OKP'].includes(key.kty)
}

const freshMs = 600_000
const betweenLooksMs = 10_000
const longestUseMs = 86_400_000
const firstPauseMs = 1000
const longestPauseMs = 60_000
const attemptMs = 5000
const maxAnswerBytes = 256 * 1024
const maxKeys = 100
