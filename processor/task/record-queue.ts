import type { SourceNode } from '../../topology/graph.ts'
import { Fifo } from '../fifo.ts'
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
  #bytes = 0

  constructor(index: number, source: SourceNode, topic: string, partition: number) {
    this.index = index
    this.source = source
    this.topic = topic
    this.partition = partition
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
    return record
  }
}

/** Bytes that a record is counted with; a value handed on is not serialised for this. */
function sizeOf(record: LogRecord): number {
  const value = record.value
  return 64 + (record.key?.length ?? 0) + (value === null ? 0 : value instanceof Handed ? handedSize : value.length)
}

const handedSize = 1024
