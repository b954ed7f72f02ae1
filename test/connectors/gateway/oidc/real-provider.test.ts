import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, it } from 'node:test'
import Provider from 'oidc-provider'
import { SwarmHere } from '../../../support/swarm-here.ts'

/** The provider of node-oidc-provider, which is certified for OpenID Connect. It has a client that gets tokens for its own secret. */
const web = createServer()
const client = {
  client_id: 'shop',
  client_secret: 'shop-0123456789abcdef',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
}
let issuer = ''

before(async () => {
  web.listen(0, '127.0.0.1')
  await once(web, 'listening')
  const address = web.address()
  issuer = `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`
  const provider = new Provider(issuer, {
    clients: [client],
    scopes: ['ask:teddy', 'read'],
    cookies: { keys: ['not-used'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:waggle',
        getResourceServerInfo: () => ({
          scope: 'ask:teddy read',
          audience: 'urn:waggle',
          accessTokenTTL: 60,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  })
  web.on('request', provider.callback())
})
after(() => {
  web.closeAllConnections()
  web.close()
})

async function tokenFor(scope: string): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource: 'urn:waggle' }),
  })
  const { access_token: token } = (await response.json()) as { readonly access_token?: string }
  assert.ok(token !== undefined, `the provider answers ${response.status}`)
  return token
}

it('A server that trusts a certified provider finds it by its discovery document, and applies the scopes of its tokens', async () => {
  const env = { WAGGLE_OIDC_ISSUER: issuer, WAGGLE_OIDC_AUDIENCE: 'urn:waggle' }
  await using swarm = await SwarmHere.open(env, { name: 'teddy' })
  const authorization = `Bearer ${await tokenFor('ask:teddy')}`
  const answer = await swarm.ask({ number: 1 }, { headers: { authorization } })
  assert.deepEqual([answer.status, await answer.json()], [200, { number: 1 }])
  const topics = (token: string) => fetch(`${swarm.url}/v1/topics`, { headers: { authorization: token } })
  assert.deepEqual([(await topics(authorization)).status, (await topics(`Bearer ${await tokenFor('read')}`)).status], [403, 200])
  await using other = await SwarmHere.open({ ...env, WAGGLE_OIDC_AUDIENCE: 'urn:other' }, { name: 'teddy' })
  assert.equal((await other.ask({ number: 1 }, { headers: { authorization } })).status, 401)
})
