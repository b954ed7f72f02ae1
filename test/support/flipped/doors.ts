import assert from 'node:assert/strict'
import type { Settings } from '../../../ops/config/settings.ts'
import { type Env, SwarmHere } from '../swarm-here.ts'
import { newKey, TokenIssuer, type TokenOptions } from '../token-issuer.ts'
import type { Flip } from './embedded.ts'

const asks = { claims: { scope: 'ask:*' } }

/** One flip for each setting of the token issuer and of pages of other sites. */
export const doorFlips = {
  async oidc_issuer() {
    await using issuer = await TokenIssuer.start()
    await using open = await SwarmHere.open({})
    assert.equal((await open.ask({ number: 1 })).status, 200)
    await using closed = await SwarmHere.open(issuer.env)
    assert.equal((await closed.ask({ number: 1 })).status, 401)
    assert.equal(await statusOf(closed, issuer, asks), 200)
  },

  async oidc_audience() {
    await using issuer = await TokenIssuer.start()
    const statusFor = (name: string) => statusWith({ ...issuer.env, WAGGLE_OIDC_AUDIENCE: name }, issuer, asks)
    assert.deepEqual([await statusFor('waggle'), await statusFor('shop')], [200, 401])
    await assert.rejects(SwarmHere.open({ WAGGLE_OIDC_ISSUER: issuer.issuer }), /oidc_audience is missing/)
  },

  async oidc_jwks_url() {
    await using issuer = await TokenIssuer.start()
    const other = await newKey('other')
    issuer.web.put('others', JSON.stringify({ keys: [other.publicJwk] }))
    const signed = { ...asks, key: other }
    const url = issuer.web.addressOf('others')
    assert.deepEqual(
      [await statusWith(issuer.env, issuer, signed), await statusWith({ ...issuer.env, WAGGLE_OIDC_JWKS_URL: url }, issuer, signed)],
      [401, 200],
    )
  },

  async oidc_hosts() {
    await using issuer = await TokenIssuer.start()
    await using elsewhere = await TokenIssuer.start()
    issuer.web.put('.well-known/openid-configuration', JSON.stringify({ issuer: issuer.issuer, jwks_uri: elsewhere.web.addressOf('keys') }))
    elsewhere.publish([issuer.key])
    const both = { ...issuer.env, WAGGLE_OIDC_HOSTS: `${issuer.web.host},${elsewhere.web.host}` }
    assert.deepEqual([await statusWith(issuer.env, issuer, asks), await statusWith(both, issuer, asks)], [503, 200])
  },

  async oidc_algorithms() {
    await using issuer = await TokenIssuer.start()
    const only = (algorithms: string) => statusWith({ ...issuer.env, WAGGLE_OIDC_ALGORITHMS: algorithms }, issuer, asks)
    assert.deepEqual([await only('RS256, ES256'), await only('RS256')], [200, 401])
    for (const wrong of ['none', 'HS256', 'RS256,HS512', 'ES256,']) await assert.rejects(only(wrong), /not an algorithm with a public key/, wrong)
  },

  async oidc_token_types() {
    await using issuer = await TokenIssuer.start()
    const logout = { ...asks, header: { typ: 'logout+jwt' } }
    const strict = { ...issuer.env, WAGGLE_OIDC_TOKEN_TYPES: 'at+jwt' }
    const statuses = [
      await statusWith(issuer.env, issuer, asks),
      await statusWith(issuer.env, issuer, logout),
      await statusWith(strict, issuer, asks),
    ]
    assert.deepEqual(statuses, [200, 401, 401])
    assert.equal(await statusWith(strict, issuer, { ...asks, header: { typ: 'at+jwt' } }), 200)
    await assert.rejects(statusWith({ ...issuer.env, WAGGLE_OIDC_TOKEN_TYPES: 'JWT,' }, issuer, asks), /not a type of token/)
  },

  async oidc_scopes_claim() {
    await using issuer = await TokenIssuer.start()
    const token = { claims: { scope: 'openid', realm_access: { roles: ['ask:*'] } } }
    const named = { ...issuer.env, WAGGLE_OIDC_SCOPES_CLAIM: 'realm_access.roles' }
    assert.deepEqual([await statusWith(issuer.env, issuer, token), await statusWith(named, issuer, token)], [403, 200])
  },

  async oidc_scopes() {
    await using issuer = await TokenIssuer.start()
    const token = { claims: { scope: 'shop' } }
    const mapped = { ...issuer.env, WAGGLE_OIDC_SCOPES: 'shop=ask:*' }
    assert.deepEqual([await statusWith(issuer.env, issuer, token), await statusWith(mapped, issuer, token)], [403, 200])
    assert.equal(await statusWith(mapped, issuer, asks), 403)
  },

  async oidc_clock_skew_seconds() {
    await using issuer = await TokenIssuer.start()
    const late = { claims: { scope: 'ask:*', exp: Math.floor(Date.now() / 1000) - 60 } }
    const skewed = { ...issuer.env, WAGGLE_OIDC_CLOCK_SKEW_SECONDS: '300' }
    assert.deepEqual([await statusWith(issuer.env, issuer, late), await statusWith(skewed, issuer, late)], [401, 200])
  },

  async cors_origins() {
    const statusFor = async (env: Env) => {
      await using swarm = await SwarmHere.open(env)
      const response = await swarm.ask({ number: 1 }, { headers: { origin: 'https://shop.example', 'sec-fetch-site': 'cross-site' } })
      return [response.status, response.headers.get('access-control-allow-origin')]
    }
    assert.deepEqual(await statusFor({}), [403, null])
    assert.deepEqual(await statusFor({ WAGGLE_CORS_ORIGINS: 'https://other.example, https://shop.example' }), [200, 'https://shop.example'])
    for (const wrong of ['*', 'null', 'shop.example', 'https://shop.example/', 'https://*.example', 'https://shop.example:443'])
      await assert.rejects(SwarmHere.open({ WAGGLE_CORS_ORIGINS: wrong }), /not the origin of a page/, wrong)
  },
} as const satisfies { readonly [key in keyof Settings]?: Flip }

async function statusWith(env: Env, issuer: TokenIssuer, token: TokenOptions): Promise<number> {
  await using swarm = await SwarmHere.open(env)
  return await statusOf(swarm, issuer, token)
}

async function statusOf(swarm: SwarmHere, issuer: TokenIssuer, token: TokenOptions): Promise<number> {
  return (await swarm.ask({ number: 1 }, { headers: { authorization: `Bearer ${await issuer.token(token)}` } })).status
}
