import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GatewayTargets } from '../../../ops/requests/gateway-targets.ts'
import { RequestsDuringUpdate } from '../../../ops/requests/requests-during-update.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { newRequest } from '../../support/function-swarm.ts'

const log = { load: { pendingBytes: 0, maxPendingBytes: 1 } }

/** Held requests of a process with two places for requests in flight. */
function open({ maxRequests = 5, maxBytes = 1000 } = {}) {
  const clock = new SimulatedClock()
  const held = new RequestsDuringUpdate({ clock, maxRequests, maxBytes })
  const targets = new GatewayTargets([])
  const refusal = (waiting: number) => targets.refusal('door', { log, waiting, maxPending: 2, duringUpdate: held })?.reason ?? null
  return { clock, held, refusal }
}
const isCode = (code: string) => (thrown: unknown) => thrown instanceof WaggleError && thrown.code === code

describe('Requests that wait because their swarm changes to another version', () => {
  it('take no places of requests in flight, also while the backlog is worked off', async () => {
    const { held, refusal } = open()
    const release = held.hold(['door'])
    const outcome = Promise.withResolvers<string>()
    const sent = Array.from({ length: 4 }, (_, at) => held.send(newRequest(`r${at}`), () => outcome.promise))
    assert.equal(refusal(0), null)
    release()
    while (held.sent < 4) await Promise.resolve()
    // These four callers wait for their outcomes now. A fifth request still gets a place.
    assert.deepEqual([held.isHeld('door'), held.hasPlaces('door'), refusal(4)], [false, true, null])
    outcome.resolve('answered')
    assert.deepEqual(await Promise.all(sent), ['answered', 'answered', 'answered', 'answered'])
    assert.deepEqual([held.hasPlaces('door'), refusal(1)], [false, null])
    assert.match(refusal(2) ?? '', /^2 requests are waiting for an answer/)
  })

  it('count with the requests of the backlog towards a bound of their own', async () => {
    const { held, refusal } = open({ maxRequests: 3 })
    const release = held.hold(['door'])
    const waiting = Array.from({ length: 3 }, (_, at) => held.released(newRequest(`r${at}`)))
    assert.match(refusal(0) ?? '', /^3 requests wait because their swarm changes/)
    await assert.rejects(held.released(newRequest('further')), isCode('WAGGLE_OVERLOADED'))
    release()
    await Promise.all(waiting)
  })

  it('have a bound in bytes', async () => {
    const { held, refusal } = open({ maxBytes: 10 })
    const release = held.hold(['door'])
    const waiting = held.released(newRequest('big', { body: 'a text of more than ten bytes' }))
    assert.match(refusal(0) ?? '', /^31 bytes of requests wait/)
    release()
    await waiting
    assert.equal(refusal(0), null)
  })

  it('fail at their deadline, although the wait goes on', async () => {
    const { clock, held } = open()
    const release = held.hold(['door'])
    const late = assert.rejects(held.released(newRequest('late', { deadline: clock.now() + 1000 })), isCode('WAGGLE_DEADLINE'))
    await clock.advance(1000)
    await late
    assert.deepEqual([held.isHeld('door'), held.waiting], [true, 0])
    release()
  })

  it('give up their places half a minute after the wait, although the backlog is not gone', async () => {
    const { clock, held, refusal } = open()
    const release = held.hold(['door'])
    const outcome = Promise.withResolvers<void>()
    const sent = [1, 2, 3].map((at) => held.send(newRequest(`r${at}`), () => outcome.promise))
    release()
    await clock.advance(30_000)
    assert.deepEqual([held.sent, held.hasPlaces('door')], [3, false])
    assert.deepEqual([refusal(3 + 1), refusal(3 + 2)], [null, '2 requests are waiting for an answer'])
    outcome.resolve()
    await Promise.all(sent)
  })
})
