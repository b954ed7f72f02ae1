import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EventQueue } from '../../../../connectors/gateway/grpc/event-queue.ts'

const open = () => new EventQueue<unknown>(new AbortController().signal)

describe('Events that wait for a gRPC caller', () => {
  it('end after the waiting events if too many events arrive', async () => {
    const queue = open()
    const taken = Array.from({ length: 10_001 }, (_, at) => queue.push(at))
    assert.deepEqual([taken.filter(Boolean).length, taken.at(-1)], [10_000, false])
    const given = await Array.fromAsync(queue)
    assert.deepEqual([given.length, given.at(-1)], [10_000, 9_999])
  })

  it('end after the waiting events if their texts and bytes are too large', async () => {
    for (const value of [{ part: { bytes: new Uint8Array(100_000) } }, { part: { json: [{ text: 'x'.repeat(100_000) }] } }]) {
      const queue = open()
      while (queue.push(value));
      assert.equal((await Array.fromAsync(queue)).length, 11)
    }
  })

  it('may have parts of any depth', () => {
    let deep: unknown = ''
    for (let at = 0; at < 100_000; at++) deep = [deep]
    assert.ok(open().push(deep))
  })

  it('may be any number if the caller reads them', async () => {
    const queue = open()
    const events = queue[Symbol.asyncIterator]()
    for (let at = 0; at < 30_000; at++) {
      assert.ok(queue.push('x'.repeat(1000)))
      await events.next()
    }
  })

  it('end with the call', async () => {
    const abort = new AbortController()
    const queue = new EventQueue<number>(abort.signal)
    const events = Array.fromAsync(queue)
    abort.abort()
    assert.deepEqual(await events, [])
  })
})
