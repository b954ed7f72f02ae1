import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ShadowTurns } from '../../../bees/hosting/shadow-turns.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

function turnsOn(clock: SimulatedClock): ShadowTurns {
  return new ShadowTurns({ after: (ms, act) => clock.after(ms, act) })
}
const requests = (...keys: readonly string[]) => keys.map((key) => ({ key }))

/** The outcome of a promise, as far as there is one. */
function watched<T>(promise: Promise<T>): { value: T | 'waits' } {
  const outcome: { value: T | 'waits' } = { value: 'waits' }
  void promise.then((value) => {
    outcome.value = value
  })
  return outcome
}

describe('The turn of a shadow', () => {
  it('comes when the bee has computed the same requests and has no open call', async () => {
    const clock = new SimulatedClock()
    const turns = turnsOn(clock)
    const ends: (() => void)[] = []
    const call = (...keys: readonly string[]) => turns.call(requests(...keys), () => new Promise<void>((resolve) => void ends.push(resolve)))
    const [first, second] = [call('a', 'b'), call('c')]
    const turn = watched(turns.turn(requests('a', 'b')))
    await clock.settle()
    assert.equal(turn.value, 'waits')
    ends[0]?.()
    await first
    await clock.settle()
    assert.equal(turn.value, 'waits', 'the call of c is open')
    ends[1]?.()
    await second
    await clock.settle()
    assert.equal(turn.value, true)
    assert.equal(await turns.turn(requests('a', 'c')), true)
  })

  it('is refused after the shadow has waited a second for a busy bee', async () => {
    const clock = new SimulatedClock()
    const turns = turnsOn(clock)
    void turns.call(requests('a'), () => new Promise(() => {}))
    const turn = watched(turns.turn(requests('a')))
    await clock.advance(999)
    assert.equal(turn.value, 'waits')
    await clock.advance(1)
    assert.equal(turn.value, false)
  })

  it('comes after a second if the bee computes these requests elsewhere, and at once if the bee computes nothing here', async () => {
    const clock = new SimulatedClock()
    const turns = turnsOn(clock)
    assert.equal(await turns.turn(requests('a')), true)
    await turns.call(requests('b'), async () => {})
    const turn = watched(turns.turn(requests('a')))
    await clock.advance(1000)
    assert.equal(turn.value, true)
  })

  it('comes even if the bee’s call has failed', async () => {
    const turns = turnsOn(new SimulatedClock())
    await assert.rejects(turns.call(requests('a'), () => Promise.reject(new Error('no'))))
    assert.equal(await turns.turn(requests('a')), true)
  })
})
