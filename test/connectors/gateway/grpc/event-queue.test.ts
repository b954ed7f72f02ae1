import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EventQueue } from '../../../../connectors/gateway/grpc/event-queue.ts'

const open = () => new EventQueue<string | number>(new AbortController().signal)

describe('The event queue of a gRPC caller', () => {
  it('closes after the events it already holds if too many events arrive', async () => {
    const queue = open()
    let taken = 0
    while (queue.push(taken, 0)) taken++
    // An event without texts counts as 256 bytes.
    assert.deepEqual([taken, queue.push(taken, 0)], [4096, false])
    assert.deepEqual(
      await Array.fromAsync(queue),
      Array.from({ length: 4096 }, (_, at) => at),
    )
  })

  it('closes after the events it already holds if their texts exceed the bound, at two bytes per character', async () => {
    const queue = open()
    while (queue.push('x', 50_000));
    assert.equal((await Array.fromAsync(queue)).length, 11)
  })

  it('takes an event that is larger than the bound if it holds no other event', async () => {
    const queue = open()
    assert.deepEqual([queue.push('large', 5_000_000), queue.push('next', 1)], [true, false])
    assert.deepEqual(await Array.fromAsync(queue), ['large'])
  })

  it('takes any number of events if the caller reads them', async () => {
    const queue = open()
    const events = queue[Symbol.asyncIterator]()
    for (let at = 0; at < 30_000; at++) {
      assert.ok(queue.push(at, 1000))
      await events.next()
    }
  })

  it('closes when the call ends', async () => {
    const abort = new AbortController()
    const queue = new EventQueue<number>(abort.signal)
    const events = Array.fromAsync(queue)
    abort.abort()
    assert.deepEqual(await events, [])
  })
})
