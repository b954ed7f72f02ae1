import assert from 'node:assert/strict'
import { it } from 'node:test'
import { SwarmTestDriver } from 'waggle-streams/testing'
import words from './index.js'

const swarm = {
  name: 'texts',
  bees: [
    { name: 'input', type: 'gateway-input', spec: { name: 'texts' } },
    { name: 'count', type: words, input: { name: 'input' } },
    { name: 'answer', type: 'respond', input: { name: 'count' } },
  ],
}

it('The words bee counts words, sentences and characters, and refuses input without a text', async () => {
  await using driver = new SwarmTestDriver(swarm)
  const { body } = await driver.request({ text: 'A bear sleeps. Does it?' })
  assert.deepEqual(body, { words: 5, sentences: 2, characters: 23 })
  assert.equal((await driver.request({ title: 'A bear' })).status, 422)
})
