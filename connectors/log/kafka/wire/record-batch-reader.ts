import { crc32c, Writer } from '@platformatic/kafka'
import type { LogRecord } from '../../../../processor/ports.ts'
import { type Header, noHeaders } from '../../../../topology/record.ts'
import { BrokerError } from '../cluster/broker-error.ts'
import { inflate } from './batch-compression.ts'
import { readInt64 } from './wire.ts'

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

/** The bytes of one partition in a fetch response. */
export interface FetchedBytes {
  readonly bytes: Buffer
  readonly aborted: readonly AbortedTransaction[]
  /** The requested offset. The first batch may begin before this offset. */
  readonly from: number
}

/**
 * Finds the batches with committed records. Aborted batches, control records and a truncated last batch are left out. `next` is the next offset to
 * fetch. Throws CORRUPT_MESSAGE if a checksum is wrong, or if no batch leads to a later offset.
 */
export function readBatches({ bytes, aborted, from }: FetchedBytes): { readonly batches: readonly RecordBatchReader[]; readonly next: number } {
  const batches: RecordBatchReader[] = []
  const toCome = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  const dropped = new Set<bigint>()
  let next = from
  let isAnyWhole = false
  for (let at = 0; at + 12 <= bytes.length; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8)
    const baseOffset = readInt64(bytes, at)
    if (end < at + headerBytes) throw damaged(baseOffset, 'it is shorter than its header')
    // Brokers always send the first batch whole. If it is cut off, another fetch would return the same bytes.
    if (end > bytes.length && at === 0) throw damaged(baseOffset, 'it is cut off')
    if (end > bytes.length) break
    isAnyWhole = true
    const lastOffset = baseOffset + bytes.readInt32BE(at + 23)
    if (lastOffset < baseOffset) throw damaged(baseOffset, `its last offset is ${lastOffset}`)
    const attributes = bytes.readInt16BE(at + 21)
    if (lastOffset >= from) {
      if (next > from && baseOffset < next) throw damaged(baseOffset, 'it comes after a later one')
      expectSound(bytes.subarray(at, end), baseOffset)
      next = lastOffset + 1
      let isDropped = (attributes & controlBit) !== 0
      if ((attributes & transactionalBit) !== 0 && (toCome.length > 0 || dropped.size > 0)) {
        const producerId = bytes.readBigInt64BE(at + 43)
        for (let first = toCome[0]; first !== undefined && first.firstOffset <= lastOffset; first = toCome[0]) {
          dropped.add(first.producerId)
          toCome.shift()
        }
        // A control record ends the aborted transaction of its producer.
        if (isDropped) dropped.delete(producerId)
        else isDropped = dropped.has(producerId)
      }
      if (!isDropped && bytes.readInt32BE(at + 57) > 0) batches.push(new RecordBatchReader(bytes.subarray(at, end), baseOffset, from))
    }
    at = end
  }
  if (isAnyWhole && next === from) throw damaged(from, 'all that came lies before it')
  return { batches, next }
}

/** Checks the magic byte, the checksum and the counts of a batch's header. */
function expectSound(batch: Buffer, baseOffset: number): void {
  if (batch.readInt8(16) !== 2) throw damaged(baseOffset, `its format is version ${batch.readInt8(16)}`)
  const sum = crc32c(Writer.create().append(batch.subarray(21)).dynamicBuffer)
  if (sum !== batch.readUInt32BE(17)) throw damaged(baseOffset, 'its checksum is wrong')
  const lastDelta = batch.readInt32BE(23)
  const count = batch.readInt32BE(57)
  if (count < 0 || count > lastDelta + 1 || !Number.isSafeInteger(baseOffset + lastDelta + 1) || baseOffset < 0) {
    throw damaged(baseOffset, `it announces ${count} records up to ${lastDelta} after its first`)
  }
}

function damaged(baseOffset: number, detail: string, cause?: unknown): BrokerError {
  return new BrokerError('CORRUPT_MESSAGE', `the batch at offset ${baseOffset} is damaged: ${detail}`, cause)
}

/** Decodes the records of one batch, only as many as the caller asks for. */
export class RecordBatchReader {
  readonly bytes: number
  readonly #baseOffset: number
  readonly #from: number
  readonly #baseTimestamp: number
  /** The timestamp that the broker has set for all records; null if the producer has set a timestamp for each record. */
  readonly #appendTime: number | null
  readonly #isCompressed: number
  #buffer: Buffer
  #at = headerBytes
  #left: number
  readonly #lastOffset: number
  #next: number

  constructor(buffer: Buffer, baseOffset: number, from: number) {
    const attributes = buffer.readInt16BE(21)
    this.bytes = buffer.length
    this.#buffer = buffer
    this.#baseOffset = baseOffset
    this.#from = from
    this.#baseTimestamp = readInt64(buffer, 27)
    this.#appendTime = (attributes & appendTimeBit) === 0 ? null : readInt64(buffer, 35)
    this.#isCompressed = attributes & compressionBits
    this.#left = buffer.readInt32BE(57)
    this.#lastOffset = baseOffset + buffer.readInt32BE(23)
    this.#next = baseOffset
  }

  get isDone(): boolean {
    return this.#left === 0
  }

  get next(): number {
    return Math.max(this.#next, this.#from)
  }

  /** The first offset after the batch. */
  get end(): number {
    return this.#lastOffset + 1
  }

  /** Adds at most `count` records to `records`. Throws BrokerError for bytes that are not records; another fetch would return the same bytes. */
  readInto(records: LogRecord[], count: number): void {
    if (this.#at === headerBytes && this.#isCompressed !== 0) this.#decompress()
    const buffer = this.#buffer
    let taken = 0
    while (this.#left > 0 && taken < count) {
      const length = this.#varint()
      const end = this.#at + length
      if (length < 0 || end > buffer.length) throw damaged(this.#baseOffset, 'a record ends outside of it')
      this.#at++
      const timestamp = this.#varint() + this.#baseTimestamp
      const offset = this.#varint() + this.#baseOffset
      if (!(offset >= this.#next && offset <= this.#lastOffset)) throw damaged(this.#baseOffset, `a record has the offset ${offset}`)
      this.#next = offset + 1
      this.#left--
      if (offset < this.#from) {
        this.#at = end
        continue
      }
      const key = this.#bytes(buffer, end)
      const value = this.#bytes(buffer, end)
      const headerCount = this.#varint()
      const headers = headerCount === 0 ? noHeaders : this.#headers(buffer, headerCount, end)
      if (this.#at > end) throw damaged(this.#baseOffset, 'a record is longer than it says')
      this.#at = end
      records.push({ offset, timestamp: this.#appendTime ?? timestamp, key, value, headers })
      taken++
    }
  }

  #decompress(): void {
    try {
      const records = inflate(this.#buffer.subarray(headerBytes), this.#isCompressed)
      this.#buffer = Buffer.concat([this.#buffer.subarray(0, headerBytes), records])
    } catch (thrown) {
      if (thrown instanceof BrokerError && thrown.error === 'UNSUPPORTED_COMPRESSION_TYPE') throw thrown
      throw damaged(this.#baseOffset, thrown instanceof Error ? thrown.message : String(thrown), thrown)
    }
  }

  #bytes(buffer: Buffer, end: number): Uint8Array | null {
    const length = this.#varint()
    if (length < 0) return null
    this.#at += length
    if (this.#at > end) throw damaged(this.#baseOffset, 'a record is longer than it says')
    return buffer.subarray(this.#at - length, this.#at)
  }

  #headers(buffer: Buffer, count: number, end: number): Header[] {
    // A header takes at least two bytes.
    if (count < 0 || count > (end - this.#at) / 2) throw damaged(this.#baseOffset, `a record announces ${count} headers`)
    const headers: Header[] = []
    for (let left = count; left > 0; left--) {
      const length = this.#varint()
      if (length < 0 || this.#at + length > end) throw damaged(this.#baseOffset, 'a header is longer than its record')
      this.#at += length
      const key = buffer.toString('utf8', this.#at - length, this.#at)
      headers.push({ key, value: this.#bytes(buffer, end) })
    }
    return headers
  }

  /** Reads a zigzag varint. Bits after the 28th are added as doubles, because JavaScript's bit operators have only 32 bits. */
  #varint(): number {
    const buffer = this.#buffer
    let byte = buffer[this.#at++] ?? 0
    if (byte < 128) return (byte >>> 1) ^ -(byte & 1)
    let value = byte & 127
    for (let shift = 7; shift < 28; shift += 7) {
      byte = buffer[this.#at++] ?? 0
      value |= (byte & 127) << shift
      if (byte < 128) return (value >>> 1) ^ -(value & 1)
    }
    let factor = 2 ** 28
    do {
      if (factor > maxVarintFactor) throw damaged(this.#baseOffset, 'a number takes more than ten bytes')
      byte = buffer[this.#at++] ?? 0
      value += (byte & 127) * factor
      factor *= 128
    } while (byte >= 128)
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
}

const headerBytes = 61
const maxVarintFactor = 2 ** 63
const compressionBits = 0b111
const appendTimeBit = 1 << 3
const transactionalBit = 1 << 4
const controlBit = 1 << 5
