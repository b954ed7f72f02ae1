import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { pageFiles } from '../../../ops/page/page-files.ts'
import { moduleSwarm, ServerHere } from '../../support/server-here.ts'
import { eventually } from '../../support/swarm-here.ts'

const allowed = { origin: 'https://shop.example', 'sec-fetch-site': 'cross-site' }
const foreign: readonly { readonly [name: string]: string }[] = [
  { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  { origin: 'https://shop.example.evil.example' },
  { origin: 'http://shop.example' },
  { origin: 'null', 'sec-fetch-site': 'cross-site' },
  // A link or an image sends no origin.
  { 'sec-fetch-site': 'cross-site' },
]
/**
 * True for the routes that pages of another site may call if the settings name the site: gateways, requests by their ids, and routes that are open to
 * everybody.
 */
const isOfCallers = (path: string) =>
  /^\/v1\/gateways\/[^/]+\/(request|submit)$|^\/v1\/requests\/[^/]+(\/events)?$|^\/(healthz|readyz|openapi\.json)$|^\/v2(\/health\/(live|ready)|\/models\/[^/]+(\/versions\/[^/]+)?(\/infer|\/ready)?)?$/.test(
    path,
  ) || pageFiles().files.has(path)

interface Route {
  readonly method: string
  readonly path: string
}

/** All routes of a server: the routes in its API description, and the routes that the description leaves out. */
async function routesOf(server: ServerHere): Promise<readonly Route[]> {
  // On a busy machine, the process may refuse calls for a moment after its start.
  const { body } = await eventually(async () => {
    const answer = await server.call('GET', '/openapi.json')
    return answer.status === 200 ? answer : null
  })
  const { paths } = body as { readonly paths: { readonly [path: string]: object } }
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path: path.replaceAll(/\{\w+\}/g, 'shelf') })),
  )
  const hidden = ['/openapi.json', ...pageFiles().files.keys()].map((path) => ({ method: 'GET', path }))
  return [...described, ...hidden]
}

/** The access that a response gives to pages: the CORS headers, and the code of a refusal. */
async function accessOf(server: ServerHere, { method, path }: Route, headers: { readonly [name: string]: string }) {
  const body = method === 'POST' || method === 'PUT' ? { body: '{}' } : {}
  const response = await fetch(`${server.url}${path}`, { method, headers, ...body })
  const text = await response.text()
  const cors = [...response.headers].filter(([name]) => name.startsWith('access-control-'))
  return {
    status: response.status,
    cors: Object.fromEntries(cors),
    isRefused: response.status === 403 && text.includes('WAGGLE_CROSS_SITE'),
    response,
  }
}

function preflightOf({ method, path }: Route): { readonly route: Route; readonly headers: { readonly [name: string]: string } } {
  return {
    route: { method: 'OPTIONS', path },
    headers: { 'access-control-request-method': method, 'access-control-request-headers': 'authorization,content-type' },
  }
}

for (const [what, env] of [
  ['a server without the setting', {}],
  ['a server that allows the pages of one site', { WAGGLE_CORS_ORIGINS: allowed.origin }],
] as const) {
  describe(`Every route of ${what}`, () => {
    let server: ServerHere
    let routes: readonly Route[] = []

    before(async () => {
      server = await ServerHere.open(env)
      server.write('work.mjs', 'export default (input) => input\n')
      assert.equal((await server.call('POST', '/v1/swarms', moduleSwarm('shelf', './work.mjs'))).status, 201)
      routes = await routesOf(server)
    })
    after(() => server[Symbol.asyncDispose]())

    it('is found, including the routes of operators', () => {
      for (const path of ['/v1/swarms', '/v1/secrets/shelf', '/v1/tokens', '/v1/topics', '/v2/models', '/v1/live', '/metrics', '/'])
        assert.ok(
          routes.some((route) => route.path === path),
          path,
        )
      assert.ok(routes.length > 35, `${routes.length} routes`)
    })

    it('is closed to pages of other sites, and to their preflights', async () => {
      for (const headers of foreign) {
        for (const route of routes) {
          const { cors, isRefused, status } = await accessOf(server, route, headers)
          assert.deepEqual([cors, isRefused], [{}, true], `${route.method} ${route.path} ${JSON.stringify(headers)}: ${status}`)
          const preflight = preflightOf(route)
          const asked = await accessOf(server, preflight.route, { ...preflight.headers, ...headers })
          assert.deepEqual([asked.cors, asked.isRefused], [{}, true], `preflight of ${route.method} ${route.path}: ${asked.status}`)
        }
      }
    })

    it(`is ${Object.keys(env).length === 0 ? 'closed' : 'open'} to pages of the site if callers use the route, and closed if operators use it`, async () => {
      for (const route of routes) {
        const isOpen = Object.keys(env).length > 0 && isOfCallers(route.path)
        const { cors, isRefused, status, response } = await accessOf(server, route, allowed)
        const preflight = preflightOf(route)
        const asked = await accessOf(server, preflight.route, { ...preflight.headers, ...allowed })
        const name = `${route.method} ${route.path}: ${status}, preflight ${asked.status}`
        assert.deepEqual([isRefused, asked.isRefused], [!isOpen, !isOpen], name)
        if (!isOpen) {
          assert.deepEqual([cors, asked.cors], [{}, {}], name)
          continue
        }
        assert.equal(cors['access-control-allow-origin'], allowed.origin, name)
        assert.match(response.headers.get('vary') ?? '', /origin/, name)
        assert.equal(asked.status, 204, name)
        assert.equal(asked.cors['access-control-allow-origin'], allowed.origin, name)
        assert.ok(asked.cors['access-control-allow-methods']?.split(', ').includes(route.method), name)
        assert.match(asked.cors['access-control-allow-headers'] ?? '', /authorization.*content-type/, name)
        for (const given of [cors, asked.cors]) assert.equal('access-control-allow-credentials' in given, false, name)
      }
    })
  })
}

describe('A server that allows the pages of one site', () => {
  it('answers their requests, including errors, and requires a token from them as from everybody', async () => {
    await using server = await ServerHere.open({ WAGGLE_CORS_ORIGINS: allowed.origin, WAGGLE_TOKENS: 'web=web-0123456789abc:ask:*' })
    const ask = (headers: { readonly [name: string]: string }) =>
      fetch(`${server.url}/v1/gateways/none/request`, { method: 'POST', body: '1', headers: { ...allowed, ...headers } })
    const refused = await ask({})
    assert.deepEqual([refused.status, refused.headers.get('access-control-allow-origin')], [401, allowed.origin])
    const unknown = await ask({ authorization: 'Bearer web-0123456789abc' })
    assert.deepEqual([unknown.status, unknown.headers.get('access-control-allow-origin')], [404, allowed.origin])
  })

  it('still answers only under its own names', async () => {
    await using server = await ServerHere.open({ WAGGLE_CORS_ORIGINS: 'http://evil.example' })
    const { port } = new URL(server.url)
    const status = await new Promise((resolve, reject) => {
      const sent = request(
        { host: '127.0.0.1', port, path: '/healthz', headers: { host: `evil.example:${port}`, origin: 'http://evil.example' } },
        (response) => {
          response.resume()
          resolve(response.statusCode)
        },
      )
      sent.once('error', reject).end()
    })
    assert.equal(status, 421)
  })
})
