import type { SourceNode } from '../../topology/graph.ts'
import type { Header } from '../../topology/record.ts'
import { Fifo } from '../fifo.ts'
import type { Traffic } from '../metrics/task-meters.ts'
import type { LogRecord } from '../ports.ts'
import { Handed } from '../ports.ts'

/** What a task has been given of one partition and has not processed yet, oldest first. */
export class RecordQueue {
  /** Among its task's. */
  readonly index: number
  readonly source: SourceNode
  readonly topic: string
  readonly partition: number
  readonly #records = new Fifo<LogRecord>()
  /** The highest timestamp taken so far; -1 at first. */
  streamTime = -1
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

  get head(): LogRecord | undefined {
    return this.#records.head
  }

  add(records: readonly LogRecord[]): void {
    for (const record of records) {
      this.#records.push(record)
      this.#bytes += sizeOf(record)
    }
  }

  take(): LogRecord | undefined {
    const record = this.#records.shift()
    if (record === undefined) return undefined
    this.#bytes -= sizeOf(record)
    count(this.#consumed, this.topic, record)
    return record
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
