import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ShelfSwarm } from '../support/shelf-swarm.ts'

it('The iris swarm names a flower by its measurements as its README shows, and refuses too few measurements', async () => {
  await using swarm = await ShelfSwarm.run('iris', { WAGGLE_PARTITIONS: '1' })
  await swarm.answersAsReadmeShows()
  assert.equal((await swarm.request('iris', '[5.1, 3.5, 1.4]')).status, 422)
})
