import type { SourceNode } from '../../topology/graph.ts'
import type { Header, Record } from '../../topology/record.ts'
import { Fifo } from '../fifo.ts'
import type { Traffic } from '../metrics/task-meters.ts'
import type { LogRecord } from '../ports.ts'
import { Handed } from '../ports.ts'

/** The next record of a queue, as it lies in the log and as its source reads it. */
export interface QueueHead {
  readonly read: LogRecord
  readonly record: Record<unknown, unknown>
}

/**
 * What a task has been given of one partition and has not processed yet, oldest first. Only the first is decoded: which queue comes
 * first depends on the time that its source's extractor gives it.
 */
export class RecordQueue {
  /** Among its task's. */
  readonly index: number
  readonly source: SourceNode
  readonly topic: string
  readonly partition: number
  readonly #records = new Fifo<LogRecord>()
  /** The highest timestamp taken so far; -1 at first. */
  streamTime = -1
  #head: QueueHead | null = null
  readonly #consumed: Traffic
  #bytes = 0

  constructor(index: number, source: SourceNode, topic: string, partition: number, consumed: Traffic) {
    this.index = index
    this.source = source
    this.topic = topic
    this.partition = partition
    this.#consumed = consumed
  }

  get size(): number {
    return this.#records.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get head(): QueueHead | null {
    return this.#head
  }

  add(records: readonly LogRecord[]): void {
    for (const record of records) {
      this.#records.push(record)
      this.#bytes += sizeOf(record)
    }
  }

  /** Makes the first record that `decode` reads the head; those before it, which it does not want, are gone. True where there is one. */
  advance(decode: (record: LogRecord) => Record<unknown, unknown> | null): boolean {
    while (this.#head === null) {
      const read = this.#records.head
      if (read === undefined) return false
      const record = decode(read)
      if (record === null) this.#drop(read)
      else this.#head = { read, record }
    }
    return true
  }

  take(): QueueHead | null {
    const head = this.#head
    this.#head = null
    if (head === null) return null
    this.#drop(head.read)
    count(this.#consumed, this.topic, head.read)
    if (head.record.timestamp > this.streamTime) this.streamTime = head.record.timestamp
    return head
  }

  #drop(record: LogRecord): void {
    this.#records.shift()
    this.#bytes -= sizeOf(record)
  }
}

/** Adds a record to what went through, with Kafka Streams' count of its bytes. */
export function count(traffic: Traffic, topic: string, { key, value, headers }: Pick<LogRecord, 'key' | 'value' | 'headers'>): void {
  traffic.records++
  traffic.bytes += topic.length + placeBytes + (key?.length ?? 0) + valueSize(value)
  if (headers.length > 0) traffic.bytes += headerSize(headers)
}

/** Timestamp, offset and partition. */
const placeBytes = 20

function headerSize(headers: readonly Header[]): number {
  let bytes = 0
  for (const { key, value } of headers) bytes += Buffer.byteLength(key) + (value?.length ?? 0)
  return bytes
}

/** Bytes that a record is counted with. */
function sizeOf(record: LogRecord): number {
  return 64 + (record.key?.length ?? 0) + valueSize(record.value)
}

/** A value handed on is not serialised for this. */
function valueSize(value: LogRecord['value']): number {
  return value === null ? 0 : value instanceof Handed ? handedSize : value.length
}

const handedSize = 1024
