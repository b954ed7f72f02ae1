import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConnectionSlots } from '../../../connectors/postgres/connection-slots.ts'

describe('The slots of a connection pool', () => {
  it('go to calls in the order of their arrival', async () => {
    const slots = new ConnectionSlots(1)
    await slots.take()
    const got: number[] = []
    const first = slots.take().then(() => got.push(1))
    const second = slots.take().then(() => got.push(2))
    slots.release()
    await first
    assert.deepEqual(got, [1])
    slots.release()
    await second
    assert.deepEqual(got, [1, 2])
  })

  it('skip a call that has given up, so that the next call gets the slot', async () => {
    const slots = new ConnectionSlots(1)
    await slots.take()
    const abort = new AbortController()
    const givesUp = slots.take(abort.signal)
    const waits = slots.take(new AbortController().signal)
    abort.abort(new Error('enough'))
    await assert.rejects(givesUp, /enough/)
    slots.release()
    await waits
    await assert.rejects(slots.take(abort.signal), /enough/)
    slots.release()
    await slots.take()
  })
})
