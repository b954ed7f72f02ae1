import { compressionsAlgorithms, crc32c, Writer } from '@platformatic/kafka'
import { BrokerError } from '../../connectors/log/kafka/broker-error.ts'
import { readBatches } from '../../connectors/log/kafka/record-batch-reader.ts'
import { RecordBatchWriter } from '../../connectors/log/kafka/record-batch-writer.ts'
import type { LogRecord } from '../../processor/ports.ts'
import type { FuzzTarget } from './target.ts'

/** Record batches as a broker sends them. The checksum is made right again, so that mutations reach what lies behind it. */
export const target: FuzzTarget = {
  name: 'record-batch',
  seeds: seeds(),
  dictionary: [Buffer.from([255, 255, 255, 255, 15]), Buffer.from([127, 255, 255, 255]), Buffer.from([128, 0, 0, 0])],
  attempt(input) {
    const bytes = Buffer.from(input)
    seal(bytes)
    try {
      const records: LogRecord[] = []
      for (const batch of readBatches({ bytes, aborted: [{ producerId: 1n, firstOffset: 0 }], from: 0 }).batches) {
        while (!batch.isDone) batch.readInto(records, 100)
      }
    } catch (thrown) {
      if (thrown instanceof BrokerError && thrown.message !== '') return
      throw thrown
    }
  },
}

function seeds(): readonly Buffer[] {
  const plain = batch(false)
  const codecs = Object.values(compressionsAlgorithms).filter(({ bitmask }) => bitmask > 0)
  return [plain, batch(true), control(), ...codecs.map(({ bitmask, compressSync }) => packed(plain, bitmask, compressSync(plain.subarray(61))))]
}

function batch(isTransactional: boolean): Buffer {
  const writer = new RecordBatchWriter()
  const headers = [{ key: 'content-type', value: Buffer.from('application/json') }]
  for (const key of ['a', 'b'])
    writer.append({ topic: 'out', partition: 0, key: Buffer.from(key), value: Buffer.from('{}'), timestamp: 1, headers }, 1000)
  return Buffer.from(writer.seal({ producerId: 1n, epoch: 0, sequence: 0, isTransactional }))
}

function packed(plain: Buffer, algorithm: number, records: Buffer): Buffer {
  const bytes = Buffer.concat([plain.subarray(0, 61), records])
  bytes.writeInt16BE(algorithm, 21)
  bytes.writeInt32BE(bytes.length - 12, 8)
  return seal(bytes)
}

function control(): Buffer {
  const bytes = batch(true)
  bytes.writeInt16BE(bytes.readInt16BE(21) | 32, 21)
  return seal(bytes)
}

function seal(bytes: Buffer): Buffer {
  if (bytes.length >= 61) bytes.writeUInt32BE(crc32c(Writer.create().append(bytes.subarray(21)).dynamicBuffer), 17)
  return bytes
}
