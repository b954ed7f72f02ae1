import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CallTimeouts } from '../../../processor/async/call-timeout.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

describe('The time limits of calls', () => {
  it('end each call without a result after its own time, and no call with a result', async () => {
    const clock = new SimulatedClock()
    const limits = new CallTimeouts(clock, 100)
    const late: [call: number, at: number, code: string][] = []
    const begin = (call: number) => limits.begin((error) => late.push([call, clock.elapsedMs() - startedMs, error.code]))
    const startedMs = clock.elapsedMs()
    const first = begin(0)
    await clock.advance(30)
    const second = begin(1)
    await clock.advance(30)
    const third = begin(2)
    limits.end(first)
    await clock.advance(69)
    assert.deepEqual([late, second.signal.aborted], [[], false])
    await clock.advance(1)
    assert.deepEqual(late, [[1, 130, 'WAGGLE_TIMEOUT']])
    assert.deepEqual([second.signal.aborted, third.signal.aborted], [true, false])
    await clock.advance(30)
    assert.deepEqual(late.at(-1), [2, 160, 'WAGGLE_TIMEOUT'])
    begin(3)
    await clock.advance(100)
    assert.deepEqual(late.at(-1), [3, 260, 'WAGGLE_TIMEOUT'])
  })

  it('leave no timer behind once all calls have ended or are aborted', () => {
    const timers = new Set<object>()
    const clock = {
      elapsedMs: () => 0,
      now: () => 0,
      after: () => {
        const timer = {}
        timers.add(timer)
        return () => void timers.delete(timer)
      },
    }
    const limits = new CallTimeouts(clock, 100)
    const [one, other] = [limits.begin(() => {}), limits.begin(() => {})]
    assert.equal(timers.size, 1)
    limits.end(one)
    assert.equal(timers.size, 1)
    limits.end(other)
    assert.equal(timers.size, 0)
    const aborted = limits.begin(() => assert.fail('an aborted call is not late'))
    limits.abortAll(new WaggleError('WAGGLE_TASK_CLOSED', { message: 'closed', next: 'nothing' }))
    assert.deepEqual([timers.size, aborted.signal.aborted], [0, true])
  })
})
