import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LastingPressure } from '../../../../connectors/gateway/http/lasting-pressure.ts'
import { eventLoopTurn } from '../../../../processor/event-loop-turn.ts'
import { openEchoGateway } from '../../../support/echo-gateway.ts'

describe('Pressure on a process', () => {
  const seen = (...times: readonly number[]) => {
    let nowMs = 0
    const pressure = new LastingPressure({ elapsedMs: () => nowMs })
    return times.map((at) => {
      nowMs = at
      return pressure.sees()
    })
  }

  it('does not last if it is seen for a second after a single block of the event loop', () => {
    assert.deepEqual(seen(10_000, 10_200, 11_000), [false, false, false])
  })

  it('lasts from 2.5 s on, while requests see it again and again', () => {
    assert.deepEqual(seen(10_000, 12_499, 12_500, 17_000, 21_999), [false, false, true, true, true])
  })

  it('begins anew after 5 s in which no request saw it', () => {
    assert.deepEqual(seen(10_000, 12_500, 17_501, 18_000), [false, true, false, false])
  })
})

it('A gateway whose event loop was blocked once for seconds accepts the requests that come then', async () => {
  const gateway = await openEchoGateway()
  try {
    // Two samples of the event loop lie in this time. One timer of a sample is due at once when the block ends.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500)
    await eventLoopTurn()
    for (let request = 0; request < 5; request++) {
      const answer = await fetch(`${gateway.url}/v1/gateways/door/request`, { method: 'POST', body: '{}' })
      assert.equal(answer.status, 200, await answer.text())
    }
  } finally {
    await gateway.close()
  }
})
