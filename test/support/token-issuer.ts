import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { WebServer } from './web-server.ts'

/** A key pair of an issuer. */
export interface IssuerKey {
  readonly id: string
  readonly algorithm: string
  readonly privateKey: CryptoKey
  readonly publicJwk: JWK
}

export interface TokenOptions {
  /** Claims that replace the default claims. A claim that is undefined is left out. */
  readonly claims?: { readonly [name: string]: unknown }
  readonly key?: IssuerKey
  readonly header?: { readonly [name: string]: unknown }
}

/** A token issuer on this machine. It serves its discovery document and its public keys, and signs tokens. */
export class TokenIssuer implements AsyncDisposable {
  readonly web: WebServer
  readonly key: IssuerKey

  private constructor(web: WebServer, key: IssuerKey) {
    this.web = web
    this.key = key
    web.put('.well-known/openid-configuration', JSON.stringify({ issuer: this.issuer, jwks_uri: web.addressOf('keys') }))
    this.publish([key])
  }

  static async start(): Promise<TokenIssuer> {
    return new TokenIssuer(await WebServer.start(), await newKey('first'))
  }

  get issuer(): string {
    return this.web.addressOf('').replace(/\/$/, '')
  }

  /** The settings with which a server trusts this issuer. */
  get env(): { readonly WAGGLE_OIDC_ISSUER: string; readonly WAGGLE_OIDC_AUDIENCE: string } {
    return { WAGGLE_OIDC_ISSUER: this.issuer, WAGGLE_OIDC_AUDIENCE: audience }
  }

  /** The number of times that the keys were fetched. */
  get fetches(): number {
    return this.web.asked.filter((path) => path === '/keys').length
  }

  publish(keys: readonly (IssuerKey | JWK)[]): void {
    this.web.put('keys', JSON.stringify({ keys: keys.map((key) => ('publicJwk' in key ? key.publicJwk : key)) }))
  }

  /** A token for `ann` that is valid for five minutes, unless the options differ. */
  token({ claims = {}, key = this.key, header = {} }: TokenOptions = {}): Promise<string> {
    const nowSeconds = Math.floor(Date.now() / 1000)
    const usual = { iss: this.issuer, aud: audience, sub: 'ann', scope: 'ask:door', iat: nowSeconds, exp: nowSeconds + 300 }
    const given = Object.fromEntries(Object.entries({ ...usual, ...claims }).filter(([, value]) => value !== undefined))
    return new SignJWT(given).setProtectedHeader({ alg: key.algorithm, kid: key.id, ...header }).sign(key.privateKey)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.web[Symbol.asyncDispose]()
  }
}

export const audience = 'waggle'

export async function newKey(id: string, algorithm = 'ES256'): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  return { id, algorithm, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid: id, alg: algorithm, use: 'sig' } }
}
