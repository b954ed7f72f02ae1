import assert from 'node:assert/strict'
import { it } from 'node:test'
import fastify from 'fastify'
import type { BodyLimits } from '../../../../connectors/gateway/http/body-limits.ts'
import { swarmRoutes } from '../../../../connectors/gateway/http/swarm-routes.ts'
import type { SwarmManagement } from '../../../../topology/swarm/swarm-management.ts'

it('A route that takes the text of a swarm needs the scope manage, because a check runs the programs of the swarm', async () => {
  const app = fastify()
  const scopes = new Map<string, unknown>()
  app.addHook('onRoute', ({ method, url, config }) => {
    if (method !== 'HEAD') scopes.set(`${String(method)} ${url}`, config !== undefined && 'scope' in config ? config.scope : null)
  })
  swarmRoutes(app, { swarms: {} as SwarmManagement, bodies: {} as BodyLimits })
  await app.ready()
  const taking = [...scopes].filter(([route]) => !route.startsWith('GET '))
  assert.ok(taking.some(([route]) => route === 'POST /v1/swarms/validate') && taking.some(([route]) => route === 'POST /v1/swarms/:swarm/compare'))
  assert.deepEqual(
    taking.filter(([, scope]) => scope !== 'manage'),
    [],
  )
  await app.close()
})
