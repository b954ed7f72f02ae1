import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BatchSet } from '../../../../../connectors/log/kafka/wire/batch.ts'
import { PartitionQueue } from '../../../../../connectors/log/kafka/writing/partition-queue.ts'
import { record } from '../../../../support/kafka-log.ts'

describe('The batches for one partition', () => {
  it('are numbered in the order of their records', () => {
    const queue = queueOf(['a', 'b'], ['c'])
    assert.deepEqual(sealed(queue, first), { producerId: 1n, sequence: 0 })
    queue.shift()
    assert.deepEqual(sealed(queue, first), { producerId: 1n, sequence: 2 })
  })

  it('are sent again with the producer id of the first attempt, even if there is a newer id', () => {
    const queue = queueOf(['a', 'b'], ['c'])
    sealed(queue, first)
    assert.deepEqual(sealed(queue, second), { producerId: 1n, sequence: 0 })
    queue.shift()
    assert.deepEqual(sealed(queue, second), { producerId: 2n, sequence: 0 })
  })

  it('are numbered from 0 with another producer id if the broker has not stored the first batch', () => {
    const queue = queueOf(['a'], ['b', 'c'])
    sealed(queue, first)
    queue.shift()
    sealed(queue, first)
    queue.unnumber()
    assert.deepEqual(sealed(queue, second), { producerId: 2n, sequence: 0 })
  })

  it('have no gap in their numbers after a refused batch', () => {
    const queue = queueOf(['a'], ['b', 'c'], ['d'])
    sealed(queue, first)
    queue.shift()
    sealed(queue, first)
    queue.unnumber()
    queue.shift()
    assert.deepEqual(sealed(queue, first), { producerId: 1n, sequence: 1 })
  })
})

const first = { producerId: 1n, epoch: 0 }
const second = { producerId: 2n, epoch: 0 }

function queueOf(...batches: readonly (readonly string[])[]): PartitionQueue {
  const queue = new PartitionQueue({ topic: 'topic', partition: 0 }, 1000)
  for (const values of batches) {
    const set: BatchSet = { maySend: true, sent() {}, divided() {}, failed() {} }
    values.forEach((value, at) => {
      const one = record('topic', 0, value)
      if (at === 0) queue.append(one, { set, spare: undefined, sinceMs: 0 })
      else assert.ok(queue.appendToLast(one, set))
    })
  }
  return queue
}

/** Reads the producer and the sequence from the header of a record batch (v2). */
function sealed(queue: PartitionQueue, identity: typeof first): { readonly producerId: bigint; readonly sequence: number } {
  const bytes = queue.seal(identity, { isTransactional: false })
  return { producerId: bytes.readBigInt64BE(43), sequence: bytes.readInt32BE(53) }
}
