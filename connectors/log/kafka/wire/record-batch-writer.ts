import { crc32c, Writer } from '@platformatic/kafka'
import { bytesIn, type ProducerRecord, valueBytes } from '../../../../processor/ports.ts'
import { writeInt64 } from './wire.ts'

/** The producer id, epoch and sequence number of a batch. */
export interface BatchIdentity {
  readonly producerId: bigint
  readonly epoch: number
  readonly sequence: number
  readonly isTransactional: boolean
}

/**
 * A batch under construction (record format v2). Records are encoded as they are appended; the header is written when the batch is sealed.
 *
 *     baseOffset i64 │ length i32 │ leaderEpoch i32 │ magic i8 │ crc u32 │ attributes i16 │ lastOffsetDelta i32 │ baseTimestamp i64
 *     │ maxTimestamp i64 │ producerId i64 │ epoch i16 │ sequence i32 │ count i32 │ records
 */
export class RecordBatchWriter {
  #bytes: Buffer
  #at = headerBytes
  #count = 0
  #baseTimestamp = 0
  #maxTimestamp = 0

  /** `spare`: the buffer of a finished batch, which this batch may use. */
  constructor(spare?: Buffer) {
    this.#bytes = spare ?? Buffer.allocUnsafe(firstBytes)
  }

  /** The buffer of the batch. When the batch is finished, another batch may use it. */
  get buffer(): Buffer {
    return this.#bytes
  }

  get size(): number {
    return this.#at
  }

  get count(): number {
    return this.#count
  }

  /** Adds a record. False if the batch would then exceed `maxBytes`. The first record always fits. */
  append(record: ProducerRecord, maxBytes: number): boolean {
    const { key, headers, timestamp } = record
    const value = bytesIn(record.value)
    if (this.#count === 0) {
      this.#baseTimestamp = timestamp
      this.#maxTimestamp = timestamp
    }
    const delta = timestamp - this.#baseTimestamp
    const keyLength = key === null ? -1 : key.length
    const valueLength = value === null ? -1 : value.length
    const length = recordLength(record, delta, this.#count)
    const size = sizeOf(length) + length
    if (this.#count > 0 && this.#at + size > maxBytes) return false
    if (this.#at + size > this.#bytes.length) this.#grow(this.#at + size)
    this.#varint(length)
    this.#bytes[this.#at++] = 0
    this.#varint(delta)
    this.#varint(this.#count)
    this.#varint(keyLength)
    if (key !== null) this.#put(key)
    this.#varint(valueLength)
    if (value !== null) this.#put(value)
    this.#varint(headers.length)
    for (const header of headers) {
      const keyBytes = Buffer.byteLength(header.key)
      this.#varint(keyBytes)
      this.#at += this.#bytes.write(header.key, this.#at)
      this.#varint(header.value === null ? -1 : header.value.length)
      if (header.value !== null) this.#put(header.value)
    }
    this.#count++
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    return true
  }

  /** The bytes for the broker. A batch can be sealed again under another identity. */
  seal({ producerId, epoch, sequence, isTransactional }: BatchIdentity): Buffer {
    const bytes = this.#bytes.subarray(0, this.#at)
    writeInt64(bytes, 0, 0)
    bytes.writeInt32BE(this.#at - 12, 8)
    bytes.writeInt32BE(-1, 12)
    bytes[16] = 2
    bytes.writeInt16BE(isTransactional ? transactionalBit : 0, 21)
    bytes.writeInt32BE(this.#count - 1, 23)
    writeInt64(bytes, this.#baseTimestamp, 27)
    writeInt64(bytes, this.#maxTimestamp, 35)
    bytes.writeBigInt64BE(producerId, 43)
    bytes.writeInt16BE(epoch, 51)
    bytes.writeInt32BE(sequence, 53)
    bytes.writeInt32BE(this.#count, 57)
    // The client library's checksum takes only its own kind of buffer, so all bytes are copied first.
    bytes.writeUInt32BE(crc32c(Writer.create().append(bytes.subarray(21)).dynamicBuffer), 17)
    return bytes
  }

  #put(bytes: Uint8Array): void {
    const { length } = bytes
    const to = this.#bytes
    if (length <= copiedByHand) for (let at = 0; at < length; at++) to[this.#at + at] = bytes[at] ?? 0
    else to.set(bytes, this.#at)
    this.#at += length
  }

  #varint(value: number): void {
    const bytes = this.#bytes
    if (value < small && value >= -small) {
      let left = ((value << 1) ^ (value >> 31)) >>> 0
      while (left > 127) {
        bytes[this.#at++] = (left & 127) | 128
        left >>>= 7
      }
      bytes[this.#at++] = left
      return
    }
    let left = value < 0 ? -value * 2 - 1 : value * 2
    while (left > 127) {
      bytes[this.#at++] = (left % 128) | 128
      left = Math.floor(left / 128)
    }
    bytes[this.#at++] = left
  }

  #grow(least: number): void {
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, least))
    this.#bytes.copy(grown, 0, 0, this.#at)
    this.#bytes = grown
  }
}

const headerBytes = 61
const firstBytes = 4096
const transactionalBit = 1 << 4
const copiedByHand = 32
const small = 2 ** 30

export function batchBytesOf(record: ProducerRecord): number {
  const length = recordLength(record, 0, 0)
  return headerBytes + sizeOf(length) + length
}

/**
 * The size of a record in bytes, without its length field. `delta`: milliseconds since the batch's first timestamp. `index`: the number of records
 * before this record.
 */
function recordLength({ key, value, headers }: ProducerRecord, delta: number, index: number): number {
  const keyLength = key === null ? -1 : key.length
  const valueLength = value === null ? -1 : valueBytes(value)
  const length = 1 + sizeOf(delta) + sizeOf(index) + sizeOf(keyLength) + Math.max(0, keyLength) + sizeOf(valueLength) + Math.max(0, valueLength)
  return length + (headers.length === 0 ? 1 : headersSize(headers))
}

/** The size of a zigzag varint in bytes. */
function sizeOf(value: number): number {
  let left = value < 0 ? -value * 2 - 1 : value * 2
  let size = 1
  while (left > 127) {
    left = Math.floor(left / 128)
    size++
  }
  return size
}

function headersSize(headers: ProducerRecord['headers']): number {
  let size = sizeOf(headers.length)
  for (const { key, value } of headers) {
    const keyBytes = Buffer.byteLength(key)
    size += sizeOf(keyBytes) + keyBytes + (value === null ? 1 : sizeOf(value.length) + value.length)
  }
  return size
}
