import assert from 'node:assert/strict'
import { it } from 'node:test'
import { killAtRandom } from './kill-at-random.ts'

it('A swarm that is killed at random moments gives every accepted request one answer and exactly three rows', async () => {
  const report = await killAtRandom({ rounds: 3, seed: 7 })
  assert.deepEqual(report.broken, [])
  assert.ok(report.accepted > 0)
  assert.equal(report.rows, 3 * report.accepted)
})
