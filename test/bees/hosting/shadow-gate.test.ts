import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ShadowGate } from '../../../bees/hosting/shadow-gate.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

function gateOn(clock: SimulatedClock): ShadowGate {
  return new ShadowGate({ after: (ms, act) => clock.after(ms, act) })
}
const requests = (...keys: readonly string[]) => keys.map((key) => ({ key }))

/** The outcome of a promise, or `waits` if there is no outcome yet. */
function watched<T>(promise: Promise<T>): { value: T | 'waits' } {
  const outcome: { value: T | 'waits' } = { value: 'waits' }
  void promise.then((value) => {
    outcome.value = value
  })
  return outcome
}

describe('The gate of a shadow', () => {
  it('lets the shadow compute when the bee has computed the same requests and has no open call', async () => {
    const clock = new SimulatedClock()
    const gate = gateOn(clock)
    const ends: (() => void)[] = []
    const call = (...keys: readonly string[]) => gate.call(requests(...keys), () => new Promise<void>((resolve) => void ends.push(resolve)))
    const [first, second] = [call('a', 'b'), call('c')]
    const entry = watched(gate.enter(requests('a', 'b')))
    await clock.settle()
    assert.equal(entry.value, 'waits')
    ends[0]?.()
    await first
    await clock.settle()
    assert.equal(entry.value, 'waits', 'the call of c is open')
    ends[1]?.()
    await second
    await clock.settle()
    assert.equal(entry.value, true)
    assert.equal(await gate.enter(requests('a', 'c')), true)
  })

  it('refuses the shadow after it has waited a second for a busy bee', async () => {
    const clock = new SimulatedClock()
    const gate = gateOn(clock)
    void gate.call(requests('a'), () => new Promise(() => {}))
    const entry = watched(gate.enter(requests('a')))
    await clock.advance(999)
    assert.equal(entry.value, 'waits')
    await clock.advance(1)
    assert.equal(entry.value, false)
  })

  it('lets the shadow compute after a second if the bee gets these requests in another process, and at once if the bee gets no requests in this process', async () => {
    const clock = new SimulatedClock()
    const gate = gateOn(clock)
    assert.equal(await gate.enter(requests('a')), true)
    await gate.call(requests('b'), async () => {})
    const entry = watched(gate.enter(requests('a')))
    await clock.advance(1000)
    assert.equal(entry.value, true)
  })

  it('lets the shadow compute even if the bee’s call has failed', async () => {
    const gate = gateOn(new SimulatedClock())
    await assert.rejects(gate.call(requests('a'), () => Promise.reject(new Error('no'))))
    assert.equal(await gate.enter(requests('a')), true)
  })
})
