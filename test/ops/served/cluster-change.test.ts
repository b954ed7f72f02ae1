import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ClusterChange, type ClusterChangeOptions } from '../../../ops/served/cluster-change.ts'
import type { SwarmClaim } from '../../../ops/served/definition.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

/** A change of version whose brokers report that no server runs the older version any more. */
function stopped(now: SwarmClaim | null): ClusterChange {
  const older = { plan: { swarm: 'a', applicationId: 'a', gateways: [], topics: [] }, topology: { subtopologies: () => [], stores: () => [] } }
  const groups = { members: async () => 0, positions: async () => [] }
  const claim = { now, offset: 1, revision: 1, advance: async () => {}, end: async () => {} }
  return new ClusterChange({ claim, version: 2, older, groups, log: {}, clock: new SimulatedClock() } as unknown as ClusterChangeOptions)
}

describe('A change of version that waits until all servers have stopped', () => {
  const claim: SwarmClaim = { swarm: 'a', id: '0000000000000001', phase: 'stop', version: 2, reason: '' }

  it('continues when no process is a member of the groups', () => stopped(claim).expectStopped())

  it('is abandoned if another server has ended it, because the other servers run the older version again', async () => {
    await assert.rejects(stopped(null).expectStopped(), { code: 'WAGGLE_SWARM_BUSY' })
  })

  it('is abandoned if another server has refused it', async () => {
    await assert.rejects(stopped({ ...claim, phase: 'refused', reason: 'no file' }).expectStopped(), {
      code: 'WAGGLE_SWARM_NOT_STARTED',
      message: /no file/,
    })
  })
})
