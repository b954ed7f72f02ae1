import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32c, Writer } from '@platformatic/kafka'
import { readBatches } from '../../../../../connectors/log/kafka/wire/record-batch-reader.ts'
import { RecordBatchWriter } from '../../../../../connectors/log/kafka/wire/record-batch-writer.ts'

describe('A batch of records', () => {
  it('is read as it was written, and is refused if a bit has changed', () => {
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

  const lies: readonly (readonly [string, (bytes: Buffer) => void])[] = [
    ['a length below its header', (bytes) => bytes.writeInt32BE(-1, 8)],
    ['a length past what came', (bytes) => bytes.writeInt32BE(0x7fffffff, 8)],
    ['another magic byte', (bytes) => bytes.writeInt8(1, 16)],
    ['more records than offsets', (bytes) => bytes.writeInt32BE(0x7fffffff, 57)],
    ['a negative count', (bytes) => bytes.writeInt32BE(-1, 57)],
    ['a last offset before its first offset', (bytes) => bytes.writeInt32BE(-1, 23)],
    ['a record that ends outside of the batch', (bytes) => bytes.writeUInt8(0x7e, 61)],
    ['a record of negative length', (bytes) => bytes.writeUInt8(0x01, 61)],
    ['a number without a last byte', (bytes) => bytes.fill(0xff, 61)],
    ['records that are wrongly marked as compressed', (bytes) => bytes.writeInt16BE(1, 21)],
    [
      'a snappy chunk of 4 GiB',
      (bytes) => {
        bytes.writeInt16BE(2, 21)
        bytes.set([255, 255, 255, 255, 15], 61)
      },
    ],
  ]
  for (const [lie, change] of lies) {
    it(`is refused with ${lie}, although its checksum is correct`, () => {
      const writer = new RecordBatchWriter()
      writer.append({ topic: 'out', partition: 0, key: Buffer.from('k'), value: Buffer.from('value'), timestamp: 1, headers: [] }, 1000)
      const bytes = Buffer.from(writer.seal({ producerId: 1n, epoch: 0, sequence: 0, isTransactional: false }))
      change(bytes)
      bytes.writeUInt32BE(crc32c(Writer.create().append(bytes.subarray(21)).dynamicBuffer), 17)
      const read = () => {
        for (const batch of readBatches({ bytes, aborted: [], from: 0 }).batches) batch.readInto([], 10)
      }
      assert.throws(read, { error: 'CORRUPT_MESSAGE', message: /batch at offset 0 is damaged/ })
    })
  }
})
