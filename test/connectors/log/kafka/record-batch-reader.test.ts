import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readBatches } from '../../../../connectors/log/kafka/record-batch-reader.ts'
import { RecordBatchWriter } from '../../../../connectors/log/kafka/record-batch-writer.ts'

describe('A batch of records', () => {
  it('is read as it was written, and refused where a bit of it has changed', () => {
    const writer = new RecordBatchWriter()
    writer.append({ topic: 'out', partition: 0, key: Buffer.from('k'), value: Buffer.from('value'), timestamp: 1, headers: [] }, 1000)
    const bytes = Buffer.from(writer.seal({ producerId: 1n, epoch: 0, sequence: 0, isTransactional: false }))
    const read = () => readBatches({ bytes, aborted: [], from: 0 })
    assert.deepEqual([read().batches.length, read().next], [1, 1])
    for (let at = 17; at < bytes.length; at++) {
      const before = bytes[at] ?? 0
      bytes[at] = before ^ 1
      assert.throws(read, { error: 'CORRUPT_MESSAGE', message: /offset 0/ }, `byte ${at}`)
      bytes[at] = before
    }
  })
})
