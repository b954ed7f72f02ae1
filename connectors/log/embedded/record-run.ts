import type { LogRecord, RecordValue } from '../../../processor/ports.ts'
import type { Header } from '../../../topology/record.ts'
import { noHeaders } from '../../../topology/record.ts'
import { ByteReader, ByteWriter } from './byte-writer.ts'
import type { SegmentRef } from './segments.ts'

/** A record of a run. Its value is inline or in a segment. */
export interface StoredRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | SegmentRef | null
  readonly headers: readonly Header[]
}

/** True for a value that is a reference to a segment. */
export function isPayload(value: StoredRecord['value']): value is SegmentRef {
  return value !== null && !(value instanceof Uint8Array)
}

/**
 * Encodes consecutive records of one partition as a run. The key of the run contains the offset of its first record. Layout: `count u32`, then for
 * each record `offset - first u32 │ timestamp f64 │ key │ kind u8, value │ headers`.
 */
export function encodeRun(records: readonly StoredRecord[], writer = new ByteWriter()): Buffer {
  const first = records[0]?.offset ?? 0
  writer.u32(records.length)
  for (const { offset, timestamp, key, value, headers } of records) {
    writer.u32(offset - first)
    writer.f64(timestamp)
    writer.bytes(key)
    if (value === null || value instanceof Uint8Array) {
      writer.u8(inline)
      writer.bytes(value)
    } else {
      writer.u8(inSegment)
      writer.u32(value.segment)
      writer.f64(value.position)
      writer.u32(value.length)
      writer.u32(value.crc)
    }
    writer.u32(headers.length)
    for (const header of headers) {
      writer.text(header.key)
      writer.bytes(header.value)
    }
  }
  return writer.take()
}

/** The timestamp of the first record of an encoded run. */
export function firstTimestamp(run: Uint8Array): number {
  const reader = new ByteReader(run)
  if (reader.u32() === 0) return Number.POSITIVE_INFINITY
  reader.u32()
  return reader.f64()
}

export function decodeRun(first: number, bytes: Uint8Array, payload: (ref: SegmentRef) => RecordValue): LogRecord[] {
  return decode<RecordValue>(first, bytes, payload)
}

/** Decodes a run. Large values stay references to segments. */
export function storedRecords(first: number, bytes: Uint8Array): readonly StoredRecord[] {
  return decode<SegmentRef>(first, bytes, (ref) => ref)
}

function decode<Large>(first: number, bytes: Uint8Array, payload: (ref: SegmentRef) => Large) {
  const reader = new ByteReader(bytes)
  return Array.from({ length: reader.u32() }, () => {
    const offset = first + reader.u32()
    const timestamp = reader.f64()
    const key = reader.bytes()
    const value =
      reader.u8() === inline ? reader.bytes() : payload({ segment: reader.u32(), position: reader.f64(), length: reader.u32(), crc: reader.u32() })
    const count = reader.u32()
    const headers = count === 0 ? noHeaders : Array.from({ length: count }, () => ({ key: reader.text(), value: reader.bytes() }))
    return { offset, timestamp, key, value, headers }
  })
}

const inline = 0
const inSegment = 1
