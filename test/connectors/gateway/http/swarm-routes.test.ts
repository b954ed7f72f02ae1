import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseTokens } from '../../../../connectors/gateway/access/access-token.ts'
import { AccessTokens } from '../../../../connectors/gateway/access/access-tokens.ts'
import type { SwarmManagement } from '../../../../topology/swarm/swarm-management.ts'
import { openEchoGateway } from '../../../support/echo-gateway.ts'

const untouched = () => assert.fail('a reader changes nothing, and runs nothing')
const swarms: SwarmManagement = {
  list: () => [],
  get: untouched,
  validate: untouched,
  create: untouched,
  update: untouched,
  compare: untouched,
  rollback: untouched,
  pause: untouched,
  resume: untouched,
  remove: untouched,
  bees: () => [],
  bee: untouched,
  beeLog: () => [],
}

it('A token that may only read cannot send the text of a swarm, because a check runs modules and uses secrets', async () => {
  const tokens = new AccessTokens()
  tokens.replace('settings', parseTokens('reader=reader-0123456789:read'))
  const gateway = await openEchoGateway({ swarms, callers: { areKnown: true, find: (token) => tokens.find(token) } })
  const statusOf = async (method: string, path: string) => {
    const body = method === 'GET' ? {} : { body: 'name: a' }
    return (await fetch(`${gateway.url}/v1/swarms${path}`, { method, ...body, headers: { authorization: 'Bearer reader-0123456789' } })).status
  }
  try {
    for (const path of ['', '/validate', '/a/compare', '/a/rollback', '/a/pause', '/a/resume']) assert.equal(await statusOf('POST', path), 403, path)
    for (const method of ['PUT', 'DELETE']) assert.equal(await statusOf(method, '/a'), 403, method)
    for (const path of ['', '/a/bees', '/a/bees/b/logs']) assert.equal(await statusOf('GET', path), 200, path)
  } finally {
    await gateway.close()
  }
})
