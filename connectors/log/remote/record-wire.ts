import {
  bytesIn,
  type ChangelogRecord,
  DamagedValue,
  type LogRecord,
  type ProducerRecord,
  type RecordRun,
  type StoreChange,
} from '../../../processor/ports.ts'
import { type Header, noHeaders } from '../../../topology/record.ts'
import { packError, unpackError, type WireError } from '../../system/wire-error.ts'
import { ByteReader, ByteWriter } from '../embedded/byte-writer.ts'

/** A run of records. `seeks` is the number of seeks that its reader had made when the run was read. */
export interface SentRun extends RecordRun {
  readonly seeks: number
}

/**
 * Encodes runs. Each run is `topic │ partition u32 │ seeks u32 │ count u32`, then its records: `offset f64 │ timestamp f64 │ key │ value │ headers`.
 */
export function packRuns(runs: readonly SentRun[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter()
  writer.u32(runs.length)
  for (const { topic, partition, seeks, records } of runs) {
    writer.text(topic)
    writer.u32(partition)
    writer.u32(seeks)
    writer.u32(records.length)
    for (const record of records) {
      writer.f64(record.offset)
      writeRecord(writer, record)
    }
  }
  return ownBytes(writer)
}

export function unpackRuns(bytes: Uint8Array): readonly SentRun[] {
  const reader = new ByteReader(bytes)
  return Array.from({ length: reader.u32() }, () => {
    const [topic, partition, seeks] = [reader.text(), reader.u32(), reader.u32()]
    const records = Array.from({ length: reader.u32() }, (): LogRecord => ({ offset: reader.f64(), ...readRecord(reader, readValue) }))
    return { topic, partition, seeks, records }
  })
}

/** The records of a commit, encoded as they are appended. No record object is kept. */
export class PackedRecords {
  readonly topics: string[] = []
  readonly #topicIndexes = new Map<string, number>()
  readonly #writer = new ByteWriter()

  get bytes(): number {
    return this.#writer.length
  }

  append(record: ProducerRecord): void {
    this.#writer.u32(this.#topicIndex(record.topic))
    this.#writer.u32(record.partition)
    writeRecord(this.#writer, record)
  }

  done(): Uint8Array<ArrayBuffer> {
    return ownBytes(this.#writer)
  }

  #topicIndex(topic: string): number {
    const there = this.#topicIndexes.get(topic)
    if (there !== undefined) return there
    this.#topicIndexes.set(topic, this.topics.length)
    return this.topics.push(topic) - 1
  }
}

export function* unpackRecords(bytes: Uint8Array, topics: readonly string[]): IterableIterator<ProducerRecord> {
  const reader = new ByteReader(bytes)
  while (!reader.isAtEnd) yield { topic: topics[reader.u32()] ?? '', partition: reader.u32(), ...readRecord(reader, sentValue) }
}

/**
 * Encodes changes of state. Each change is `task │ store │ count u32`, then keys and values. Changelogs are left out, because the log itself keeps
 * the state.
 */
export function packState(changes: readonly StoreChange[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter()
  for (const { task, store, entries } of changes) {
    const rows = [...entries]
    writer.text(task)
    writer.text(store)
    writer.u32(rows.length)
    for (const [key, value] of rows) {
      writer.bytes(key)
      writer.bytes(value)
    }
  }
  return ownBytes(writer)
}

export function unpackState(bytes: Uint8Array): readonly StoreChange[] {
  const reader = new ByteReader(bytes)
  const changes: StoreChange[] = []
  while (!reader.isAtEnd) {
    const [task, store] = [reader.text(), reader.text()]
    const entries = Array.from({ length: reader.u32() }, () => [reader.bytes() ?? nothing, reader.bytes()] as const)
    changes.push({ task, store, entries, logged: noLog })
  }
  return changes
}

function writeRecord(writer: ByteWriter, { timestamp, key, value, headers }: Omit<LogRecord, 'offset'>): void {
  writer.f64(timestamp)
  writer.bytes(key)
  if (value instanceof DamagedValue) writeDamaged(writer, value)
  else writer.bytes(bytesIn(value))
  writer.u32(headers.length)
  for (const header of headers) {
    writer.text(header.key)
    writer.bytes(header.value)
  }
}

function readRecord<V>(reader: ByteReader, read: (reader: ByteReader) => V): Omit<LogRecord, 'offset' | 'value'> & { readonly value: V } {
  const [timestamp, key, value, count] = [reader.f64(), reader.bytes(), read(reader), reader.u32()]
  const headers = count === 0 ? noHeaders : Array.from({ length: count }, (): Header => ({ key: reader.text(), value: reader.bytes() }))
  return { timestamp, key, value, headers }
}

/** Encodes a damaged value as a length that no value can have, followed by the error. */
function writeDamaged(writer: ByteWriter, { error }: DamagedValue): void {
  writer.i32(damagedLength)
  writer.text(JSON.stringify(packError(error)))
}

const sentValue = (reader: ByteReader): Uint8Array | null => reader.bytes()

function readValue(reader: ByteReader): Uint8Array | DamagedValue | null {
  if (reader.peekI32() !== damagedLength) return reader.bytes()
  reader.i32()
  return new DamagedValue(unpackError(JSON.parse(reader.text()) as WireError))
}

const damagedLength = -2

/** Copies the bytes into memory of their own, which can be moved to another thread. */
function ownBytes(writer: ByteWriter): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(writer.length)
  bytes.set(writer.take())
  return bytes
}

const nothing = new Uint8Array(0)
const noLog: null | (() => readonly ChangelogRecord[]) = null
