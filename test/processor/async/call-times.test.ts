import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { CallTimes } from '../../../processor/async/call-times.ts'

describe('The times of calls', () => {
  it('limit a batch to one row before the first call, and to twice the largest batch so far afterwards', () => {
    const times = new CallTimes()
    assert.equal(times.mostRowsWithin(1000, 64), 1)
    times.observe(1, 1)
    assert.equal(times.mostRowsWithin(1000, 64), 2)
    times.observe(2, 1)
    assert.equal(times.mostRowsWithin(1000, 64), 4)
  })

  it('predict the time of a batch of any size if the times of earlier calls lie on a line', () => {
    const times = new CallTimes()
    for (const rows of [1, 2, 4, 8, 16]) times.observe(rows, 10 + 3 * rows)
    assert.ok(Math.abs(times.expectedMs(10) - 40) < 0.001)
    assert.equal(times.mostRowsWithin(70.5, 64), 20)
  })

  it('follow calls that become slower, and then faster again', () => {
    const times = new CallTimes()
    const settle = (msPerRow: number) => {
      for (let call = 0; call < 100; call++) {
        const rows = times.mostRowsWithin(100, 64)
        times.observe(rows, rows * msPerRow)
      }
      return times.mostRowsWithin(100, 64)
    }
    assert.deepEqual([settle(2), settle(10), settle(2)], [50, 10, 50])
  })

  it('limit a batch to between 1 row and the largest batch, whatever the calls were', () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1e7, noNaN: true })), { maxLength: 50 }),
        fc.double({ min: 0.001, max: 1e6, noNaN: true }),
        fc.integer({ min: 1, max: 10_000 }),
        (calls, targetMs, max) => {
          const times = new CallTimes()
          for (const [rows, ms] of calls) times.observe(rows, ms)
          const rows = times.mostRowsWithin(targetMs, max)
          assert.ok(Number.isInteger(rows) && rows >= 1 && rows <= max, String(rows))
          assert.ok(times.expectedMs(rows) >= 0)
        },
      ),
    ))
})
