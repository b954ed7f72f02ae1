import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../processor/simulation/simulated-clock.ts'
import { InterruptibleWait } from '../../topology/interruptible-wait.ts'

test('A wait ends after its time', async () => {
  const clock = new SimulatedClock()
  const waited = new InterruptibleWait(clock).for(100)
  await clock.advance(100)
  await waited
})

test('`end` and `wakeup` end a wait early, and do not affect the next wait', async () => {
  const clock = new SimulatedClock()
  const wait = new InterruptibleWait(clock)
  for (const interrupt of [() => wait.end(), () => wait.wakeup()]) {
    const waited = wait.for(100)
    interrupt()
    await waited
    assert.equal(wait.takeWakeup(), false)
  }
})

test('A `wakeup` outside of a wait is taken once; an `end` outside of a wait has no effect', () => {
  const clock = new SimulatedClock()
  const wait = new InterruptibleWait(clock)
  wait.end()
  assert.equal(wait.takeWakeup(), false)
  wait.wakeup()
  assert.equal(wait.takeWakeup(), true)
  assert.equal(wait.takeWakeup(), false)
})
