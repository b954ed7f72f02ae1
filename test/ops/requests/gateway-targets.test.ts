import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GatewayTargets } from '../../../ops/requests/gateway-targets.ts'

const log = { load: { pendingBytes: 0, maxPendingBytes: 1 } }

describe('Requests that wait because their swarm changes to another version', () => {
  it('count among the requests that wait for an answer, until the change has ended', async () => {
    const targets = new GatewayTargets([])
    const release = targets.hold(['door'])
    const refusal = () => targets.refusal('door', { log, waiting: 1, maxPending: 3 })
    const first = targets.released('door')
    assert.equal(refusal(), null)
    const second = targets.released('door')
    assert.match(refusal()?.reason ?? '', /^3 requests are waiting for an answer/)
    release()
    await Promise.all([first, second])
    assert.deepEqual([targets.waiting, refusal()], [0, null])
  })
})
