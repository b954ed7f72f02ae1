import assert from 'node:assert/strict'
import { it } from 'node:test'
import fastify from 'fastify'
import { CallerPlaces } from '../../../../connectors/gateway/access/caller-places.ts'
import { eventRoutes } from '../../../../connectors/gateway/http/event-routes.ts'
import { liveRoutes } from '../../../../connectors/gateway/http/live-routes.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'
import type { Page } from '../../../../topology/swarm/page.ts'
import { inlineAnswers, uncounted } from '../../../../topology/swarm/request/answers.ts'
import { echo } from '../../../support/echo-gateway.ts'

it('A HEAD request opens no stream of events, because its caller would neither read nor close the stream', async () => {
  const clock = new SimulatedClock()
  const app = fastify()
  let opened = 0
  const page: Page = {
    files: new Map(),
    contentSecurityPolicy: '',
    shape: () => {
      opened++
      return { instance: '', swarms: [] }
    },
    counts: () => assert.fail('nobody reads counts'),
    state: () => assert.fail('nobody reads the state'),
  }
  const follow = async () => {
    opened++
    return { async finish() {}, end() {} }
  }
  liveRoutes(app, { page, clock })
  const followers = new CallerPlaces({ max: 9, what: 'requests are followed' })
  eventRoutes(app, { requests: echo, answers: inlineAnswers, memory: uncounted, events: { follow, await: follow }, clock, followers })
  for (const url of ['/v1/live', '/v1/requests/1/events']) assert.equal((await app.inject({ method: 'HEAD', url })).statusCode, 404, url)
  assert.equal(opened, 0)
  await app.close()
})
