import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FetchSession } from '../../../../../connectors/log/kafka/reading/fetch-session.ts'
import { FetchedPartition } from '../../../../../connectors/log/kafka/reading/fetched-partition.ts'
import { partitionName } from '../../../../../processor/ports.ts'

describe('A fetch session', () => {
  const session = () => new FetchSession({ host: 'broker', port: 1 }, { name: 'lane', requestTimeoutMs: 1 })
  const at = (partition: number, offset: number) => {
    const fetched = new FetchedPartition('in', partition)
    fetched.seek(offset)
    return fetched
  }

  it('asks for all its partitions in the first request, and afterwards only for partitions whose offsets have changed', () => {
    const one = session()
    const [still, moving] = [at(0, 5), at(1, 7)]
    for (const partition of [still, moving]) one.join(partition)
    assert.deepEqual(one.take(), {
      session: 0,
      epoch: 0,
      asks: [
        { topic: 'in', partition: 0, offset: 5 },
        { topic: 'in', partition: 1, offset: 7 },
      ],
      forgotten: [],
    })
    one.answered(42)
    moving.seek(8)
    for (const partition of [still, moving]) one.moved(partition)
    assert.deepEqual(one.take(), { session: 42, epoch: 1, asks: [{ topic: 'in', partition: 1, offset: 8 }], forgotten: [] })
    one.answered(42)
    assert.deepEqual(one.take(), { session: 42, epoch: 2, asks: [], forgotten: [] })
  })

  it('names a removed partition once, and starts a new session if the partition joins again before that', () => {
    const one = session()
    const [kept, gone] = [at(0, 0), at(1, 0)]
    for (const partition of [kept, gone]) one.join(partition)
    one.take()
    one.answered(42)
    one.leave(gone)
    assert.equal(one.holder(partitionName({ topic: 'in', partition: 1 })), null)
    assert.deepEqual(one.take().forgotten, [{ topic: 'in', partition: 1 }])
    one.answered(42)
    assert.deepEqual(one.take().forgotten, [])
    one.answered(42)
    one.leave(kept)
    one.join(kept)
    assert.deepEqual(one.take(), { session: 42, epoch: 0, asks: [{ topic: 'in', partition: 0, offset: 0 }], forgotten: [] })
  })

  it('asks for all its partitions each time if the broker keeps no session, or after the broker has lost the session', () => {
    const one = session()
    one.join(at(0, 0))
    for (const id of [0, 0, 42]) {
      const { epoch, asks } = one.take()
      assert.deepEqual([epoch, asks.length], [0, 1])
      one.answered(id)
    }
    assert.equal(one.take().asks.length, 0)
    one.restart()
    assert.deepEqual([one.take().epoch, one.take().asks.length], [0, 1])
  })
})
