import assert from 'node:assert/strict'
import { it } from 'node:test'
import { SwarmTestDriver } from 'waggle-streams/testing'
import bee from './index.js'

const swarm = {
  name: 'greetings',
  bees: [
    { name: 'input', type: 'gateway-input', spec: { name: 'greetings' } },
    { name: 'greet', type: bee, input: { name: 'input' }, spec: { greeting: 'Welcome' } },
    { name: 'answer', type: 'respond', input: { name: 'greet' } },
  ],
}

it('A {{type}} bee greets a name, and refuses input without one', async () => {
  await using driver = new SwarmTestDriver(swarm)
  assert.deepEqual((await driver.request({ name: 'Bea' })).body, { text: 'Welcome, Bea!' })
  assert.equal((await driver.request({})).status, 422)
})
