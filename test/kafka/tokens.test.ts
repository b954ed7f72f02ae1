import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { ServerProcesses } from '../support/server-processes.ts'

describeWithKafka('A token that is created at one server of a cluster', { own: true }, (cluster) => {
  const operator = 'operator-0123456789'
  let servers: ServerProcesses
  before(async () => {
    servers = new ServerProcesses({ brokers: cluster().brokers, env: { WAGGLE_TOKENS: `operator=${operator}:manage` }, token: operator })
    await Promise.all([servers.start('a'), servers.start('b')])
  })
  after(() => servers.close())

  const call = (server: string, method: string, path: string, body?: object) =>
    servers.call(server, method, path, body === undefined ? undefined : JSON.stringify(body))
  const statusOf = async (server: string, token: string) =>
    (await fetch(`${servers.url(server)}/v1/swarms`, { headers: { authorization: `Bearer ${token}` } })).status
  /** The other server follows the topic, so it knows of a change a moment later. */
  const until = async (server: string, token: string, status: number) => {
    while ((await statusOf(server, token)) !== status) await pause(20)
  }

  it('is valid at both, also after a kill, until it is revoked at the other one', { timeout: 120_000 }, async () => {
    const made = await call('a', 'POST', '/v1/tokens', { name: 'web', scopes: ['read'] })
    assert.equal(made.status, 201, JSON.stringify(made.body))
    const { token } = made.body as unknown as { readonly token: string }
    assert.equal(await statusOf('a', token), 200)
    await until('b', token, 200)
    const again = await call('b', 'POST', '/v1/tokens', { name: 'web', scopes: ['read'] })
    assert.deepEqual([again.status, again.body?.code], [409, 'WAGGLE_TOKEN_EXISTS'])
    await servers.kill('a')
    await servers.start('a')
    assert.equal(await statusOf('a', token), 200)
    assert.equal((await call('b', 'DELETE', '/v1/tokens/web')).status, 204)
    assert.equal(await statusOf('b', token), 401)
    await until('a', token, 401)
  })
})
