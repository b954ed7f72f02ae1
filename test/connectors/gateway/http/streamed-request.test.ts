import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fastify from 'fastify'
import { anybody } from '../../../../connectors/gateway/access/caller.ts'
import { CallerPlaces } from '../../../../connectors/gateway/access/caller-places.ts'
import { streamedRequest } from '../../../../connectors/gateway/http/event-routes.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'
import { inlineAnswers, uncounted } from '../../../../topology/swarm/request/answers.ts'
import { readBack } from '../../../../topology/swarm/request/durable.ts'
import type { RequestEvents } from '../../../../topology/swarm/request/request-events.ts'
import type { Requests } from '../../../../topology/swarm/request/requests.ts'
import { echo, openEchoGateway } from '../../../support/echo-gateway.ts'

it('A streamed request gets a gap and its answer if an earlier request with the same key already has its outcome', async () => {
  const followers = new CallerPlaces({ max: 2, what: 'requests are followed' })
  const events: RequestEvents = {
    follow: async () => assert.fail('the request is not followed as one that is sent'),
    async await(_gateway, _id, listener) {
      listener({ kind: 'gap', id: '*' })
      listener({ kind: 'outcome', id: '!' })
      return { async finish() {}, end() {} }
    },
  }
  const requests: Requests = {
    gateways: ['shop'],
    refusal: () => null,
    submit: async () => assert.fail('the request waits'),
    request: async () => readBack({ id: 'r', state: 'answered', answer: { kind: 'json', json: 1 } }),
    find: async () => null,
  }
  const made = { gateway: 'shop', id: 'r', body: new Uint8Array(), contentType: 'application/json', deadline: null, bodyHash: '', traceparent: null }
  const app = fastify()
  app.decorateRequest('caller', { getter: () => anybody })
  app.get('/', (_, reply) =>
    streamedRequest(made, reply, { requests, answers: inlineAnswers, memory: uncounted, events, clock: new SimulatedClock(), followers }),
  )
  const { payload } = await app.inject({ url: '/', signal: AbortSignal.timeout(5_000) })
  assert.match(payload, /^event: gap\nid: \*\ndata: \{"request_id":"r","detail":"The log no longer has all parts/m)
  assert.match(payload, /^event: answer\nid: !\ndata: .*"answered"/m)
  assert.equal(followers.taken, 0)
  await app.close()
})

it('A connection whose stream has ended does not hold up a server that closes', { timeout: 30_000 }, async () => {
  const answered = Promise.withResolvers<void>()
  const events: RequestEvents = {
    follow: async () => assert.fail('the request is not followed as one that is sent'),
    async await(gateway, _id, listener) {
      listener({ kind: 'accepted', id: '*', gateway, accepted_at: 0 })
      return { finish: async () => void listener({ kind: 'outcome', id: '!' }), end() {} }
    },
  }
  const requests: Requests = { ...echo, request: (made) => answered.promise.then(() => echo.request(made)) }
  const gateway = await openEchoGateway({ requests, events })
  const headers = { accept: 'text/event-stream', 'content-type': 'application/json' }
  const response = await fetch(`${gateway.url}/v1/gateways/door/request`, { method: 'POST', body: '1', headers })
  const closed = gateway.close()
  // The server closes idle connections when it stops listening, so the stream has to end behind that.
  while (await takesConnections(gateway.url)) await setImmediate()
  answered.resolve()
  assert.match(await response.text(), /^event: answer\n/m)
  // The client keeps the connection for a minute and more, as the server has allowed.
  assert.match(response.headers.get('keep-alive') ?? '', /timeout=72/)
  await closed
})

function takesConnections(url: string): Promise<boolean> {
  return fetch(`${url}/healthz`, { headers: { connection: 'close' } }).then(
    (response) => response.text().then(() => true),
    () => false,
  )
}
