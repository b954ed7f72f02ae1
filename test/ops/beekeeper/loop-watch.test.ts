import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { watchLoop } from '../../../ops/beekeeper/loop-watch.ts'

/** A watch whose timer is late by `lateMs`, once. */
function lookLate(lateMs: number, activity: readonly { readonly bees: readonly string[]; readonly isReported: boolean }[]): readonly string[] {
  let now = 0
  const timers: { readonly delayMs: number; readonly callback: () => void }[] = []
  const clock = {
    elapsedMs: () => now,
    after: (delayMs: number, callback: () => void) => {
      timers.push({ delayMs, callback })
      return () => {}
    },
  }
  const lines: string[] = []
  watchLoop(
    clock,
    () => activity,
    (message) => lines.push(message),
  )
  const [timer] = timers
  now += (timer?.delayMs ?? 0) + lateMs
  timer?.callback()
  assert.equal(timers.length, 2, 'the watch goes on')
  return lines
}

describe('The watch of the event loop', () => {
  it('logs how long the process was blocked, and the bees that had calls', () => {
    const lines = lookLate(1240, [
      { bees: ['greet'], isReported: false },
      { bees: ['sort', 'count'], isReported: false },
    ])
    assert.match(lines.join(), /blocked for 1\.2 s.*greet, sort, count/)
  })

  it('logs a blocked process in which no bee had a call', () => {
    assert.match(lookLate(600, [{ bees: [], isReported: false }]).join(), /No bee had a call/)
  })

  it('logs nothing if the timer was in time, or if the log already contains the cause', () => {
    assert.deepEqual([lookLate(499, []), lookLate(5000, [{ bees: ['greet'], isReported: true }])], [[], []])
  })
})
