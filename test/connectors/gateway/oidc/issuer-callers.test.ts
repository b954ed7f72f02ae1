import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { LookupFunction } from 'node:net'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { SignJWT, UnsecuredJWT } from 'jose'
import type { HttpGateway } from '../../../../connectors/gateway/http/http-gateway.ts'
import { ClaimScopes } from '../../../../connectors/gateway/oidc/claim-scopes.ts'
import { IssuerCallers, type IssuerCallersOptions } from '../../../../connectors/gateway/oidc/issuer-callers.ts'
import { TokenTypes } from '../../../../connectors/gateway/oidc/token-types.ts'
import { AllowedHosts } from '../../../../connectors/http/allowed-hosts.ts'
import { systemClock } from '../../../../connectors/system/system-clock.ts'
import { openEchoGateway } from '../../../support/echo-gateway.ts'
import { audience, newKey, TokenIssuer, type TokenOptions } from '../../../support/token-issuer.ts'

describe('A gateway that trusts an issuer', () => {
  let issuer: TokenIssuer
  let gateway: HttpGateway
  let callers: IssuerCallers
  let laterMs = 0
  const problems: string[] = []
  const clock = {
    now: () => systemClock.now() + laterMs,
    elapsedMs: () => systemClock.elapsedMs() + laterMs,
    after: systemClock.after.bind(systemClock),
  }

  beforeEach(async () => {
    laterMs = 0
    problems.length = 0
    issuer = await TokenIssuer.start()
    await open()
  })
  afterEach(async () => {
    callers.close()
    await gateway.close()
    await issuer[Symbol.asyncDispose]()
  })

  async function open(more: Partial<IssuerCallersOptions> = {}): Promise<void> {
    await gateway?.close()
    callers = new IssuerCallers({
      issuer: issuer.issuer,
      audience,
      jwksUrl: null,
      hosts: AllowedHosts.parse(issuer.web.host),
      algorithms: ['ES256', 'RS256'],
      types: TokenTypes.parse('at+jwt,JWT,none'),
      scopesClaim: 'scope',
      scopes: ClaimScopes.parse(null),
      clockSkewSeconds: 30,
      clock,
      onProblem: (problem) => problems.push(problem),
      ...more,
    })
    gateway = await openEchoGateway({ callers: { areKnown: true, find: (token) => callers.find(token) } })
  }

  function ask(token: string, path = '/v1/gateways/door/request'): Promise<Response> {
    const method = path.endsWith('/request') ? { method: 'POST', body: 'hello' } : {}
    return fetch(`${gateway.url}${path}`, { ...method, headers: { authorization: `Bearer ${token}` } })
  }

  async function outcome(token: string) {
    const response = await ask(token)
    const { code = '', detail = '' } = response.ok ? {} : ((await response.json()) as { readonly code?: string; readonly detail?: string })
    return { status: response.status, code, detail, challenge: response.headers.get('www-authenticate'), retry: response.headers.get('retry-after') }
  }

  async function refusalOf(options: TokenOptions): Promise<string> {
    const { status, code, detail, challenge } = await outcome(await issuer.token(options))
    assert.deepEqual([status, code, challenge], [401, 'WAGGLE_TOKEN_REFUSED', 'Bearer realm="waggle", error="invalid_token"'], detail)
    return detail
  }

  it('answers callers with its issuer’s tokens, within their scopes', async () => {
    const token = await issuer.token()
    const response = await ask(token)
    assert.deepEqual([response.status, await response.text()], [200, 'hello'])
    assert.equal((await ask(token, '/metrics')).status, 403)
    assert.equal((await ask(await issuer.token({ claims: { scope: 'read openid' } }), '/metrics')).status, 200)
    assert.equal((await ask(await issuer.token({ claims: { scope: undefined } }))).status, 403)
  })

  it('identifies the owner of a request by issuer and subject', async () => {
    const caller = await callers.find(await issuer.token({ claims: { sub: 'auth0|7 of 9' } }))
    assert.equal(caller?.name, `oidc:${issuer.issuer}#auth0|7 of 9`)
    const id = (await ask(await issuer.token())).headers.get('x-request-id')
    assert.equal((await ask(await issuer.token(), `/v1/requests/${id}`)).status, 200)
    assert.equal((await ask(await issuer.token({ claims: { sub: 'bob' } }), `/v1/requests/${id}`)).status, 403)
  })

  it('refuses an expired token, and accepts a token within the allowed skew of the clocks', async () => {
    const secondsAgo = (seconds: number) => Math.floor(Date.now() / 1000) - seconds
    assert.match(await refusalOf({ claims: { exp: secondsAgo(31) } }), /expired/)
    assert.equal((await outcome(await issuer.token({ claims: { exp: secondsAgo(20) } }))).status, 200)
    assert.match(await refusalOf({ claims: { nbf: secondsAgo(-40) } }), /not valid yet/)
    assert.equal((await outcome(await issuer.token({ claims: { nbf: secondsAgo(-20) } }))).status, 200)
    assert.match(await refusalOf({ claims: { exp: undefined } }), /claim exp/)
  })

  it('refuses a token that has expired since it was last accepted', async () => {
    const token = await issuer.token({ claims: { exp: Math.floor(Date.now() / 1000) + 20 } })
    assert.equal((await outcome(token)).status, 200)
    laterMs = 45_000
    assert.equal((await outcome(token)).status, 200)
    laterMs = 55_000
    assert.match((await outcome(token)).detail, /expired/)
  })

  it('refuses tokens of another issuer, for another audience, or without a subject', async () => {
    assert.match(await refusalOf({ claims: { iss: 'https://other.example' } }), /another issuer/)
    assert.match(await refusalOf({ claims: { iss: undefined } }), /another issuer/)
    assert.match(await refusalOf({ claims: { aud: 'shop' } }), /another audience/)
    assert.equal((await outcome(await issuer.token({ claims: { aud: ['shop', audience] } }))).status, 200)
    for (const sub of [undefined, 7, '', 'a\nb', 'é', 'x'.repeat(256)]) assert.match(await refusalOf({ claims: { sub } }), /sub/)
  })

  it('refuses alg: none, HS256 with a public key as its secret, and algorithms that are not in the list', async () => {
    const claims = { iss: issuer.issuer, aud: audience, sub: 'ann', scope: 'ask:door', exp: Math.floor(Date.now() / 1000) + 60 }
    const unsigned = await outcome(new UnsecuredJWT(claims).encode())
    assert.deepEqual([unsigned.status, unsigned.code], [401, 'WAGGLE_TOKEN_REFUSED'])
    assert.match(unsigned.detail, /alg/)
    const none = Buffer.from(JSON.stringify({ alg: 'none', kid: issuer.key.id })).toString('base64url')
    const [, payload, signature] = (await issuer.token()).split('.')
    assert.match((await outcome(`${none}.${payload}.${signature}`)).detail, /alg/)
    const secrets = [JSON.stringify(issuer.key.publicJwk), String(issuer.key.publicJwk.x)]
    for (const secret of secrets) {
      const forged = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: issuer.key.id }).sign(Buffer.from(secret.padEnd(32)))
      assert.match((await outcome(forged)).detail, /alg/)
    }
    const other = await newKey('other', 'ES384')
    issuer.publish([issuer.key, other])
    assert.match(await refusalOf({ key: other }), /alg/)
  })

  it('refuses what the issuer signs for other ends, by the type in the header', async () => {
    for (const typ of ['at+jwt', 'application/at+jwt', 'AT+JWT', 'JWT', 'jwt', 'application/jwt'])
      assert.equal((await outcome(await issuer.token({ header: { typ } }))).status, 200, typ)
    for (const typ of [
      'logout+jwt',
      'dpop+jwt',
      'id+jwt',
      'secevent+jwt',
      'token-introspection+jwt',
      'oauth-authz-req+jwt',
      'JWS',
      'none',
      '',
      'text/at+jwt',
    ])
      assert.equal(await refusalOf({ header: { typ } }), 'The token is not accepted: its type (typ) is not one of at+jwt, jwt, none', typ)
    await open({ types: TokenTypes.parse('application/AT+JWT') })
    assert.equal((await outcome(await issuer.token({ header: { typ: 'at+jwt' } }))).status, 200)
    assert.match(await refusalOf({ header: { typ: 'JWT' } }), /type \(typ\)/)
    assert.match(await refusalOf({}), /type \(typ\)/)
  })

  it('asks for no keys for a token of a wrong type', async () => {
    await refusalOf({ header: { typ: 'logout+jwt' } })
    assert.equal(issuer.fetches, 0)
  })

  it('takes no secret key from the issuer’s document, even if HS256 were allowed', async () => {
    const secret = Buffer.from('0123456789abcdef0123456789abcdef')
    issuer.publish([issuer.key, { kty: 'oct', kid: 'oct', alg: 'HS256', k: secret.toString('base64url') }])
    await open({ algorithms: ['HS256', 'ES256'] })
    const claims = { iss: issuer.issuer, aud: audience, sub: 'ann', scope: 'ask:door', exp: Math.floor(Date.now() / 1000) + 60 }
    const forged = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'oct' }).sign(secret)
    assert.match((await outcome(forged)).detail, /not a signed JSON Web Token/)
  })

  it('refuses a token whose signature, key or bytes are wrong', async () => {
    const token = await issuer.token()
    const [head, payload] = token.split('.')
    const changed = Buffer.from(JSON.stringify({ iss: issuer.issuer, aud: audience, sub: 'ann', scope: 'manage', exp: 9_999_999_999 })).toString(
      'base64url',
    )
    assert.match((await outcome(`${head}.${changed}.${token.split('.')[2]}`)).detail, /signature/)
    assert.match((await outcome(`${head}.${payload}.`)).detail, /signature|signed/)
    assert.match(await refusalOf({ key: await newKey('first') }), /signature/)
    for (const rubbish of ['eyJ.e.e', `eyJ${'A'.repeat(2000)}.${'A'.repeat(2000)}.AA`, `${head}..AA`])
      assert.equal((await outcome(rubbish)).status, 401, rubbish)
    assert.equal((await outcome('no-jwt-0123456789')).code, 'WAGGLE_TOKEN_UNKNOWN')
  })

  it('ignores keys and addresses inside the token itself', async () => {
    const own = await newKey('first')
    assert.match(
      await refusalOf({ key: own, header: { jwk: own.publicJwk, jku: issuer.web.addressOf('evil'), x5u: issuer.web.addressOf('evil') } }),
      /signature/,
    )
    assert.equal(issuer.web.asked.includes('/evil'), false)
  })

  it('accepts a new key at once after a rotation, and asks the issuer at most once in ten seconds for unknown keys', async () => {
    assert.equal((await outcome(await issuer.token())).status, 200)
    const next = await newKey('next')
    issuer.publish([issuer.key, next])
    assert.match(await refusalOf({ key: next }), /no key/)
    laterMs += 10_001
    assert.equal((await outcome(await issuer.token({ key: next }))).status, 200)
    const before = issuer.fetches
    for (let at = 0; at < 20; at++) await refusalOf({ key: { ...next, id: `made-up-${at}` } })
    assert.equal(issuer.fetches, before)
  })

  it('refuses tokens of a withdrawn key after it has fetched the keys again', async () => {
    const token = await issuer.token()
    assert.equal((await outcome(token)).status, 200)
    const next = await newKey('next')
    issuer.publish([next])
    laterMs += 61_000
    assert.equal((await outcome(await issuer.token({ key: next }))).status, 200)
    assert.match((await outcome(token)).detail, /no key/)
  })

  it('checks a signature once a minute, and fetches the keys once for many callers', async () => {
    const tokens = await Promise.all(Array.from({ length: 10 }, (_, at) => issuer.token({ claims: { sub: `caller-${at}` } })))
    assert.deepEqual(new Set((await Promise.all(tokens.map(outcome))).map(({ status }) => status)), new Set([200]))
    assert.equal(issuer.fetches, 1)
    const known = callers.find(tokens[0] ?? '')
    assert.equal(known instanceof Promise, false)
    laterMs += 60_001
    assert.equal(callers.find(tokens[0] ?? '') instanceof Promise, true)
  })

  it('answers 503 while it has no keys because the issuer is unreachable, and pauses longer after each failure', async () => {
    issuer.web.answer = (_, response) => {
      response.writeHead(500).end()
      return true
    }
    const away = await outcome(await issuer.token())
    assert.deepEqual([away.status, away.code, away.retry, away.challenge], [503, 'WAGGLE_ISSUER_AWAY', '5', null])
    assert.match(away.detail, /answers 500/)
    const askedAfter = async (ms: number) => {
      laterMs += ms
      const before = issuer.web.asked.length
      await outcome(await issuer.token())
      return issuer.web.asked.length - before
    }
    assert.deepEqual([await askedAfter(0), await askedAfter(1001), await askedAfter(1001), await askedAfter(1001)], [0, 1, 0, 1])
    assert.match(problems.join('\n'), /next try in 1 s.*\n.*next try in 2 s.*\n.*next try in 4 s/)
    issuer.web.answer = () => false
    laterMs += 4001
    assert.equal((await outcome(await issuer.token())).status, 200)
  })

  it('continues with its old keys for a day while the issuer is unreachable', async () => {
    assert.equal((await outcome(await issuer.token())).status, 200)
    issuer.web.goAway()
    const later = () => issuer.token({ claims: { exp: Math.floor(clock.now() / 1000) + 60 } })
    laterMs += 23 * 3_600_000
    assert.equal((await outcome(await later())).status, 200)
    laterMs += 2 * 3_600_000
    assert.equal((await outcome(await later())).code, 'WAGGLE_ISSUER_AWAY')
  })

  it('follows no redirect, and sends no request to a server that is not in its list', async () => {
    let isAsked = false
    const inside = createServer((_, response) => {
      isAsked = true
      response.end(JSON.stringify({ keys: [issuer.key.publicJwk] }))
    })
    await new Promise<void>((resolve) => void inside.listen(0, '127.0.0.1', resolve))
    const address = inside.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    try {
      issuer.web.answer = ({ url }, response) => {
        if (url !== '/keys') return false
        response.writeHead(302, { location: `http://127.0.0.1:${port}/keys` }).end()
        return true
      }
      assert.match((await outcome(await issuer.token())).detail, /answers 302/)
      issuer.web.answer = () => false
      issuer.web.put('.well-known/openid-configuration', JSON.stringify({ issuer: issuer.issuer, jwks_uri: `http://127.0.0.1:${port}/keys` }))
      await open()
      assert.match((await outcome(await issuer.token())).detail, new RegExp(`127.0.0.1:${port} is not in WAGGLE_OIDC_HOSTS`))
      await open({ jwksUrl: `http://localhost:${port}/keys`, hosts: AllowedHosts.parse('localhost:1') })
      assert.match((await outcome(await issuer.token())).detail, /not in WAGGLE_OIDC_HOSTS/)
      assert.equal(isAsked, false)
    } finally {
      inside.close()
    }
  })

  it('does not connect to a private address under the name of an allowed server', async () => {
    const { port } = new URL(issuer.issuer)
    const lookup: LookupFunction = (_, __, done) => done(null, [{ address: '127.0.0.1', family: 4 }])
    await open({ jwksUrl: `https://keys.example:${port}/keys`, hosts: AllowedHosts.parse('keys.example'), lookup })
    assert.match((await outcome(await issuer.token())).detail, /private address/)
    assert.equal(issuer.fetches, 0)
  })

  it('refuses malformed discovery and key documents', async () => {
    const keys: readonly (readonly [string, RegExp])[] = [
      ['[]', /not a JSON object/],
      ['rubbish', /not a JSON object/],
      ['{"keys": []}', /no public key/],
      ['{"keys": {"length": 3}}', /no public key/],
      ['{"keys": [{"kty": {"toString": 0}}]}', /no public key/],
      [JSON.stringify({ keys: Array.from({ length: 101 }, () => issuer.key.publicJwk) }), /more than 100 keys/],
      [JSON.stringify({ keys: [issuer.key.publicJwk], padding: 'x'.repeat(300_000) }), /more than 262144 bytes/],
    ]
    for (const [text, expected] of keys) {
      issuer.web.put('keys', text)
      await open()
      assert.match((await outcome(await issuer.token())).detail, expected)
    }
    issuer.publish([issuer.key])
    const documents: readonly (readonly [object, RegExp])[] = [
      [{ issuer: 'https://other.example', jwks_uri: issuer.web.addressOf('keys') }, /another issuer/],
      [{ issuer: issuer.issuer }, /names no jwks_uri/],
      [{ issuer: issuer.issuer, jwks_uri: 'http://keys.example/keys' }, /not an https address/],
      [{ issuer: issuer.issuer, jwks_uri: 'file:///etc/passwd' }, /not an https address/],
    ]
    for (const [document, expected] of documents) {
      issuer.web.put('.well-known/openid-configuration', JSON.stringify(document))
      await open()
      assert.match((await outcome(await issuer.token())).detail, expected)
    }
  })

  it('answers 401 if the issuer’s key cannot be used', async () => {
    issuer.publish([{ ...issuer.key.publicJwk, x: 'AA' }])
    assert.match(await refusalOf({}), /cannot be used|signature/)
  })
})
