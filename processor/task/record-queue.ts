import { Fifo } from '../../topology/fifo.ts'
import type { SourceNode } from '../../topology/graph.ts'
import type { Header, Record } from '../../topology/record.ts'
import type { Traffic } from '../metrics/task-meters.ts'
import { type LogRecord, recordMemory, valueBytes } from '../ports.ts'

/** The next record of a queue: as it is in the log, and as its source decodes it. */
export interface QueueHead {
  readonly read: LogRecord
  readonly record: Record<unknown, unknown>
}

/**
 * The buffered records of one partition, oldest first. Only the first record is decoded. Its time is needed for the choice between queues, and the
 * source's extractor gives the time.
 */
export class RecordQueue {
  /** The index among the task's queues. */
  readonly index: number
  readonly source: SourceNode
  readonly topic: string
  readonly partition: number
  readonly #records = new Fifo<LogRecord>()
  /** The highest timestamp taken so far; -1 at first. */
  streamTime = -1
  /** Records before this offset are read again for asynchronous nodes only, so their times are known already. */
  replayUntil = 0
  #head: QueueHead | null = null
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

  newlyTaken(): number {
    const taken = this.#consumed.records - this.#asked
    this.#asked += taken
    return taken
  }

  get head(): QueueHead | null {
    return this.#head
  }

  add(records: readonly LogRecord[]): void {
    for (const record of records) {
      this.#records.push(record)
      this.#bytes += recordMemory(record)
    }
  }

  /** Drops records until `decode` accepts a record, which becomes the head. Returns true if there is a head. */
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
    const { read, record } = head
    const payload = payloadSize(read)
    this.#drop(read)
    this.#consumed.records++
    this.#consumed.bytes += this.#placeBytes + payload
    if (read.headers.length > 0) this.#consumed.bytes += headerSize(read.headers)
    if (record.timestamp > this.streamTime && !this.isReplay(read)) this.streamTime = record.timestamp
    return head
  }

  isReplay({ offset }: LogRecord): boolean {
    return offset < this.replayUntil
  }

  #drop(read: LogRecord): void {
    this.#records.shift()
    this.#bytes -= recordMemory(read)
  }
}

/** The bytes of timestamp, offset, partition and topic name. Kafka Streams adds these bytes to key, value and headers. */
export function placeSize(topic: string): number {
  return 20 + Buffer.byteLength(topic)
}

export function headerSize(headers: readonly Header[]): number {
  let bytes = 0
  for (const { key, value } of headers) bytes += Buffer.byteLength(key) + (value?.length ?? 0)
  return bytes
}

export function payloadSize({ key, value }: Pick<LogRecord, 'key' | 'value'>): number {
  return (key === null ? 0 : key.length) + valueBytes(value)
}
