import assert from 'node:assert/strict'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { crc32c, Writer } from '@platformatic/kafka'
import { BrokerError } from '../../connectors/log/kafka/cluster/broker-error.ts'
import {
  assignCooperatively,
  decodeAssignment,
  encodeAssignment,
  encodeSubscription,
  topicsOf,
} from '../../connectors/log/kafka/group/group-protocol.ts'
import { maxInflatedBytes } from '../../connectors/log/kafka/wire/batch-compression.ts'
import { fetchRequest } from '../../connectors/log/kafka/wire/fetch-request.ts'
import { readBatches } from '../../connectors/log/kafka/wire/record-batch-reader.ts'
import { RecordBatchWriter } from '../../connectors/log/kafka/wire/record-batch-writer.ts'
import { WireWriter } from '../../connectors/log/kafka/wire/wire.ts'
import { type LogRecord, valueBytes } from '../../processor/ports.ts'
import type { FuzzTarget } from './target.ts'

const headerBytes = 61
const aborted = [{ producerId: 1n, firstOffset: 0 }]

/**
 * Bytes from a broker. The first byte of an input chooses the parser. Each parser must return records or throw a BrokerError. Offsets of records must
 * grow, no record may be larger than the input, and reading must make progress.
 */
export const target: FuzzTarget = {
  name: 'record-batch',
  seeds: [
    ...[0, 1, 2, 3, 4, 5].map((way) => Buffer.concat([Buffer.of(way), batch()])),
    Buffer.concat([Buffer.of(0), batch(), batch({ isTransactional: true, baseOffset: 2 }), marker(4), batch({ baseOffset: 5 })]),
    Buffer.concat([Buffer.of(1), marker(0)]),
    Buffer.concat([Buffer.of(6), fetchAnswer()]),
    Buffer.concat([Buffer.of(7), encodeSubscription({ topics: ['in'], owned: [{ topic: 'in', partition: 0 }], generation: 3, data: Buffer.of(1) })]),
    Buffer.concat([Buffer.of(8), encodeAssignment({ partitions: [{ topic: 'in', partition: 0 }], data: Buffer.of(1) })]),
  ],
  dictionary: [
    '00000000',
    'ffffffff',
    '7fffffff',
    '80000000',
    'ffffffffffffffffff01',
    '00000000000000000000',
    '8080808008',
    '02',
    '01',
    'fdffffff0f',
  ].map((hex) => Buffer.from(hex, 'hex')),
  attempt(input) {
    const bytes = Buffer.from(input.subarray(1))
    try {
      parsers[(input[0] ?? 0) % parsers.length]?.(bytes)
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown
    }
  },
}

const parsers: readonly ((bytes: Buffer) => void)[] = [
  (bytes) => readAll(bytes),
  // The checksum is correct, so that the bytes reach the code after the check.
  (bytes) => readAll(sealed(bytes, 0)),
  (bytes) => readAll(sealed(compressed(bytes, gzipSync), 1)),
  (bytes) => readAll(sealed(bytes, 2)),
  (bytes) => readAll(sealed(compressed(bytes, lz4Frame), 3)),
  (bytes) => readAll(sealed(compressed(bytes, zstdCompressSync), 4)),
  (bytes) => {
    const { answers } = fetchRequest({ session: 0, epoch: 0, asks: [], forgotten: [] }, { maxWaitMs: 0, maxBytes: 0, maxPartitionBytes: 0 }).parse(
      bytes,
    )
    assert.ok(answers.length <= bytes.length)
    for (const answer of answers) readAll(answer.bytes, answer.aborted)
  },
  (bytes) => {
    const joined = [{ id: 'a', instanceId: null, metadata: bytes }]
    const assignor = { name: 'none', memberData: () => new Uint8Array(0), assign: () => new Map(), received: () => {} }
    assert.equal(assignCooperatively(joined, assignor, () => 1).size, 1)
    assert.ok(topicsOf(joined).size <= bytes.length)
  },
  (bytes) => assert.ok(decodeAssignment(bytes).partitions.length <= bytes.length),
]

function readAll(bytes: Buffer, transactions = aborted as readonly { readonly producerId: bigint; readonly firstOffset: number }[]): void {
  let from = 0
  const { batches, next } = readBatches({ bytes, aborted: transactions, from })
  assert.ok(next >= from && Number.isSafeInteger(next))
  for (const one of batches) {
    const records: LogRecord[] = []
    for (let before = -1; !one.isDone; ) {
      assert.ok(records.length > before, 'reading stands still')
      before = records.length
      one.readInto(records, 100)
    }
    let held = 0
    for (const { offset, key, value } of records) {
      assert.ok(offset >= from && offset < next, `offset ${offset} after ${from}`)
      from = offset + 1
      held += (key?.length ?? 0) + valueBytes(value)
    }
    assert.ok(held <= maxInflatedBytes + bytes.length)
  }
}

/** Wraps the bytes in a batch that a broker accepts: its length, its format and its checksum are correct. */
function sealed(bytes: Buffer, compression: number): Buffer {
  const whole = Buffer.concat([bytes, Buffer.alloc(Math.max(0, headerBytes - bytes.length))])
  whole.writeInt32BE(whole.length - 12, 8)
  whole[16] = 2
  whole.writeInt16BE((whole.readInt16BE(21) & ~7) | compression, 21)
  whole.writeUInt32BE(crc32c(Writer.create().append(whole.subarray(21)).dynamicBuffer), 17)
  return whole
}

function compressed(bytes: Buffer, compress: (data: Buffer) => Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, headerBytes), compress(bytes.subarray(headerBytes))])
}

/** Wraps the bytes in an LZ4 block, which mutations then damage. */
function lz4Frame(block: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(block.length)
  return Buffer.concat([Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73]), size, block, Buffer.alloc(4)])
}

function batch({ isTransactional = false, baseOffset = 0 } = {}): Buffer {
  const writer = new RecordBatchWriter()
  const headers = [
    { key: 'waggle-deadline', value: Buffer.from('1') },
    { key: '', value: null },
  ]
  writer.append({ topic: 'in', partition: 0, key: Buffer.from('k'), value: Buffer.from('value'), timestamp: 1, headers }, 1000)
  writer.append({ topic: 'in', partition: 0, key: null, value: null, timestamp: -1, headers: [] }, 1000)
  const bytes = Buffer.from(writer.seal({ producerId: 1n, epoch: 0, sequence: 0, isTransactional }))
  bytes.writeBigInt64BE(BigInt(baseOffset), 0)
  return bytes
}

function marker(baseOffset: number): Buffer {
  const bytes = batch({ isTransactional: true, baseOffset })
  bytes.writeInt16BE(bytes.readInt16BE(21) | 32, 21)
  return sealed(bytes, 0)
}

function fetchAnswer(): Buffer {
  const records = batch()
  return new WireWriter()
    .int32(0)
    .int16(0)
    .int32(0)
    .length(1)
    .text('in')
    .length(1)
    .int32(0)
    .int16(0)
    .int64(2)
    .int64(2)
    .int64(0)
    .length(1)
    .int64(1)
    .int64(0)
    .noTags()
    .int32(-1)
    .length(records.length)
    .bytes(records)
    .noTags()
    .noTags()
    .noTags()
    .done()
}
