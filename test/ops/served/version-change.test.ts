import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GatewayTargets } from '../../../ops/requests/gateway-targets.ts'
import { RequestsDuringUpdate } from '../../../ops/requests/requests-during-update.ts'
import { changeVersion, type VersionChange } from '../../../ops/served/version-change.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

/** A change whose newer version fails after the older version has stopped. */
function failing({ startsAgain, unrecord }: { readonly startsAgain: boolean; readonly unrecord: () => Promise<void> }) {
  const done: string[] = []
  const gateways = new GatewayTargets([])
  const clock = new SimulatedClock()
  const held = new RequestsDuringUpdate({ clock, maxRequests: 10, maxBytes: 1000 })
  const older = {
    plan: { swarm: 'a', gateways: [{ gateway: 'g' }], topics: [] },
    topology: { subtopologies: () => [] },
    application: { threads: { tasks: [] }, close: async () => void done.push('older stops') },
  }
  const newer = { plan: { gateways: [{ gateway: 'g' }] } }
  const running = {
    startBeside: async (_: unknown, version: unknown, takeOver: () => Promise<void>) => {
      await takeOver()
      if (version === newer || !startsAgain) throw new Error(version === newer ? 'the newer one fails' : 'the older one fails')
      done.push('older starts again')
    },
    prepare: async () => older,
    stop: async () => void done.push('older is gone'),
  }
  const requests = {
    hold: (names: readonly string[]) => held.hold(names),
    shut: (names: readonly string[], reason: string) => gateways.close(names, reason),
  }
  const alone = { others: null, groups: null, leave: async () => {} }
  const given = { ...alone, running, requests, log: {}, clock, older, newer, before: {}, record: async () => void done.push('record'), unrecord }
  return { done, gateways, held, clock, changed: changeVersion(given as unknown as VersionChange) }
}

describe('A change of version whose newer version fails after the older version has stopped', () => {
  it('starts the older version again, even if the log cannot record that the older version runs again', async () => {
    const { done, changed, clock } = failing({ startsAgain: true, unrecord: () => Promise.reject(new Error('no log')) })
    await Promise.all([assert.rejects(changed, { message: 'the newer one fails' }), clock.advance(100)])
    assert.deepEqual(done, ['older stops', 'record', 'older starts again'])
  })

  it('fails the waiting callers if the older version does not start again either', async () => {
    const { done, changed, clock, gateways, held } = failing({ startsAgain: false, unrecord: async () => {} })
    await Promise.all([assert.rejects(changed, { message: 'the newer one fails' }), clock.advance(100)])
    assert.deepEqual(done, ['older stops', 'record', 'older is gone'])
    assert.equal(held.isHeld('g'), false)
    assert.throws(
      () => gateways.of('g'),
      (thrown) => thrown instanceof WaggleError && thrown.code === 'WAGGLE_OVERLOADED' && thrown.message === 'a did not start',
    )
  })
})
