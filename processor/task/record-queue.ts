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
  readonly #placeBytes: number
  #asked: number
  #bytes = 0

  constructor(index: number, source: SourceNode, topic: string, partition: number, consumed: Traffic) {
    this.index = index
    this.source = source
    this.topic = topic
    this.partition = partition
    this.#consumed = consumed
    this.#placeBytes = placeSize(topic)
    this.#asked = consumed.records
  }

  get size(): number {
    return this.#records.size
  }

  get bytes(): number {
    return this.#bytes
  }

  takenSinceAsked(): number {
    const taken = this.#consumed.records - this.#asked
    this.#asked += taken
    return taken
  }

  get head(): LogRecord | undefined {
    return this.#records.head
  }

  add(records: readonly LogRecord[]): void {
    for (const record of records) {
      this.#records.push(record)
      this.#bytes += 64 + payloadSize(record)
    }
  }

  take(): LogRecord | undefined {
    const record = this.#records.shift()
    if (record === undefined) return undefined
    const payload = payloadSize(record)
    this.#bytes -= 64 + payload
    this.#consumed.records++
    this.#consumed.bytes += this.#placeBytes + payload
    if (record.headers.length > 0) this.#consumed.bytes += headerSize(record.headers)
    return record
  }
}

/** Timestamp, offset, partition, and the topic's name: what Kafka Streams counts a record with beside key, value and headers. */
export function placeSize(topic: string): number {
  return 20 + Buffer.byteLength(topic)
}

export function headerSize(headers: readonly Header[]): number {
  let bytes = 0
  for (const { key, value } of headers) bytes += Buffer.byteLength(key) + (value?.length ?? 0)
  return bytes
}

/** Of key and value; a value handed on is not serialised for this. */
export function payloadSize({ key, value }: Pick<LogRecord, 'key' | 'value'>): number {
  return (key === null ? 0 : key.length) + (value === null ? 0 : value instanceof Handed ? handedSize : value.length)
}

const handedSize = 1024
