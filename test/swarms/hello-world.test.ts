import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ShelfSwarm } from '../support/shelf-swarm.ts'

it('The hello-world swarm greets a caller with a name as its README shows, and refuses a caller without a name', async () => {
  await using swarm = await ShelfSwarm.run('hello-world')
  await swarm.answersAsReadmeShows()
  assert.equal((await swarm.request('hello', '{}')).status, 422)
})
