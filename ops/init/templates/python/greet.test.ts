import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { SwarmTestDriver } from 'waggle-streams/testing'

/** The whole swarm, with its Python bee. Nothing listens on a port. */
const driver = new SwarmTestDriver(join(import.meta.dirname, 'swarm.yaml'))
after(() => driver[Symbol.asyncDispose]())

it('greets by name', async () => {
  const { status, body } = await driver.request({ name: 'bear' })
  assert.deepEqual([status, body], [200, { greeting: 'Hello, bear!' }])
})

it('refuses an input without a name', async () => {
  assert.equal((await driver.request({})).status, 422)
})
