import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { steadyClock } from '../../../connectors/system/system-clock.ts'

const startMs = 1_700_000_000_000
const hourMs = 3_600_000

function machine() {
  const time = { wallMs: startMs, monotonicMs: 5 }
  const clock = steadyClock({ wallMs: () => time.wallMs, monotonicMs: () => time.monotonicMs })
  return {
    clock,
    pass(ms: number) {
      time.wallMs += ms
      time.monotonicMs += ms
    },
    set(byMs: number) {
      time.wallMs += byMs
    },
  }
}

describe('The system clock', () => {
  it('fires a timer with a negative or missing delay at once, without a warning from Node', async (t) => {
    const { clock } = machine()
    const warned = t.mock.fn()
    process.on('warning', warned)
    for (const delayMs of [-5, Number.NaN, Number.NEGATIVE_INFINITY]) await new Promise<void>((resolve) => void clock.after(delayMs, resolve))
    clock.after(Number.POSITIVE_INFINITY, assert.fail)()
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', warned)
    assert.equal(warned.mock.callCount(), 0)
  })

  it('shows the machine’s time as long as nobody changes the machine’s clock', () => {
    const { clock, pass } = machine()
    assert.equal(clock.now(), startMs)
    pass(1234)
    assert.equal(clock.now(), startMs + 1234)
    assert.equal(clock.wallAheadMs(), 0)
  })

  it('ends a deadline of 30 s at most 1.5 s early or late, even if the machine’s clock is changed by an hour', () => {
    for (const byMs of [hourMs, -hourMs]) {
      const { clock, pass, set } = machine()
      const begin = clock.now()
      set(byMs)
      assert.equal(clock.now(), begin)
      pass(30_000)
      assert.ok(Math.abs(clock.now() - begin - 30_000) <= 1500, `${clock.now() - begin}`)
    }
  })

  it('never goes back, and gradually reaches the machine’s new time', () => {
    const { clock, pass, set } = machine()
    set(-60_000)
    let last = clock.now()
    for (let second = 0; second < 60 * 25; second++) {
      pass(1000)
      assert.ok(clock.now() >= last)
      last = clock.now()
    }
    assert.equal(clock.wallAheadMs(), 0)
  })
})
