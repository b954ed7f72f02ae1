import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Heartbeat } from '../../../connectors/processes/heartbeat.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

describe('The heartbeat of a process', () => {
  function started() {
    const clock = new SimulatedClock()
    const events: string[] = []
    const heartbeat = new Heartbeat(clock, { ping: (number) => events.push(`ping ${number}`), hangs: () => events.push('hangs') })
    return { clock, events, heartbeat }
  }

  it('sends a ping after 10 seconds of silence, and reports the process as frozen after 30 more seconds', async () => {
    const { clock, events } = started()
    await clock.advance(9_999)
    assert.deepEqual(events, [])
    await clock.advance(1)
    assert.deepEqual(events, ['ping 1'])
    await clock.advance(29_999)
    assert.deepEqual(events, ['ping 1'])
    await clock.advance(1)
    assert.deepEqual(events, ['ping 1', 'hangs'])
    await clock.advance(100_000)
    assert.deepEqual(events, ['ping 1', 'hangs'])
  })

  it('sends no ping while the process writes, and sends a ping again after the next silence', async () => {
    const { clock, events, heartbeat } = started()
    for (let second = 0; second < 60; second++) {
      await clock.advance(1000)
      heartbeat.heard()
    }
    assert.deepEqual(events, [])
    await clock.advance(10_000)
    heartbeat.heard()
    await clock.advance(10_000)
    assert.deepEqual(events, ['ping 1', 'ping 2'])
    assert.deepEqual(
      [0, 1, 2, 3, 1.5].map((number) => heartbeat.isSent(number)),
      [false, true, true, false, false],
    )
    heartbeat.stop()
    await clock.advance(100_000)
    assert.deepEqual(events, ['ping 1', 'ping 2'])
  })
})
