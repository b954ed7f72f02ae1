import type { RecordMetadata } from '../../topology/record.ts'
import type { LogRecord } from '../ports.ts'
import type { RecordQueue } from './record-queue.ts'

/**
 * The record that a task processes now, and its position in the input. Each task has one such object and reuses it, so that a record needs no new
 * object.
 */
export class CurrentRecord {
  /** The task's own partition. */
  readonly partition: number
  readonly #queues: readonly RecordQueue[]
  /** The index of the record's queue; -1 in a punctuation. */
  partitionIndex = -1
  offset = -1
  /** The record as it was read; null in a punctuation. */
  record: LogRecord | null = null
  /** True for a record that is read again for an asynchronous node that had not finished it. Only this node gets the record. */
  isReplay = false
  /** The queue index and the offset of the current record. In a punctuation, those of the last record. */
  lastIndex = -1
  lastOffset = -1
  /** Metadata that replaces the current record's while an outcome is forwarded: the metadata of the record to which the outcome belongs. */
  shown: RecordMetadata | null = null

  constructor(partition: number, queues: readonly RecordQueue[]) {
    this.partition = partition
    this.#queues = queues
  }

  enter(partitionIndex: number, record: LogRecord, isReplay: boolean): void {
    this.partitionIndex = partitionIndex
    this.offset = record.offset
    this.lastIndex = partitionIndex
    this.lastOffset = record.offset
    this.record = record
    this.isReplay = isReplay
  }

  leave(): void {
    this.partitionIndex = -1
    this.offset = -1
    this.record = null
    this.isReplay = false
  }

  get metadata(): RecordMetadata | null {
    if (this.shown !== null) return this.shown
    const queue = this.#queues[this.partitionIndex]
    return queue === undefined ? null : { topic: queue.topic, partition: queue.partition, offset: BigInt(this.offset) }
  }

  toMetadata(): RecordMetadata {
    return this.metadata ?? { topic: '', partition: -1, offset: -1n }
  }
}
