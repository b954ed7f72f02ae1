import type { Gap, LogRecord } from '../../../../processor/ports.ts'
import { Fifo } from '../../../../topology/fifo.ts'
import type { FetchAnswer } from '../wire/fetch-request.ts'
import { type RecordBatchReader, readBatches } from '../wire/record-batch-reader.ts'

/** The read-ahead of one partition: fetched records that have not been taken yet, and the next offset to fetch. */
export class FetchedPartition {
  readonly topic: string
  readonly partition: number
  readonly #batches = new Fifo<RecordBatchReader>()
  #bytes = 0
  /** The next offset to fetch; null until the start position is known. */
  #next: number | null = null
  /** The partition's last known end; null until a broker has reported it. */
  #end: number | null = null
  /** The number of seeks. A response is ignored if its request was sent before the last seek. */
  #epoch = 0
  /** The id of the topic to which the offset `next` belongs; null after a seek. */
  topicId: string | null = null
  failures = 0
  retryAtMs = 0
  /** The time since when brokers have not known the topic; null while they know the topic. */
  unknownSinceMs: number | null = null

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get next(): number | null {
    return this.#next
  }

  get end(): number | null {
    return this.#end
  }

  get epoch(): number {
    return this.#epoch
  }

  /** The size of the fetched records that have not been taken yet. */
  get bytes(): number {
    return this.#bytes
  }

  get isEmpty(): boolean {
    return this.#batches.isEmpty
  }

  /** False if a broker has reported that the partition has no more records. */
  get mayHaveMore(): boolean {
    return !this.#batches.isEmpty || this.#end === null || (this.#next ?? 0) < this.#end
  }

  seek(offset: number): void {
    this.#epoch++
    this.#batches.clear()
    this.#bytes = 0
    this.#next = offset
    this.#end = null
    this.topicId = null
    this.retryAtMs = 0
  }

  add({ bytes, aborted, lastStableOffset }: FetchAnswer): void {
    this.#end = lastStableOffset
    if (bytes.length === 0 || this.#next === null) return
    const { batches, next } = readBatches({ bytes, aborted, from: this.#next })
    this.#next = next
    for (const batch of batches) {
      this.#batches.push(batch)
      this.#bytes += batch.bytes
    }
  }

  /**
   * Takes at most `count` of the fetched records. The rest of an unreadable batch is skipped and reported to `onUnreadable`, because every fetch
   * would return the same bytes.
   */
  take(count: number, onUnreadable: (gap: Gap, cause: Error) => void): LogRecord[] {
    const records: LogRecord[] = []
    for (let batch = this.#batches.head; batch !== undefined && records.length < count; batch = this.#batches.head) {
      try {
        batch.readInto(records, count - records.length)
        if (!batch.isDone) break
      } catch (thrown) {
        const { topic, partition } = this
        onUnreadable({ topic, partition, from: batch.next, to: batch.end }, thrown instanceof Error ? thrown : new Error(String(thrown)))
      }
      this.#batches.shift()
      this.#bytes -= batch.bytes
    }
    return records
  }
}
