import type { Gap, LogRecord } from '../../../processor/ports.ts'
import type { FetchAnswer } from './fetch-request.ts'
import { Fifo } from './fifo.ts'
import { type RecordBatchReader, readBatches } from './record-batch-reader.ts'

/** One partition as it is read ahead: what has come and was not taken, and where to go on. */
export class FetchedPartition {
  readonly topic: string
  readonly partition: number
  readonly #batches = new Fifo<RecordBatchReader>()
  #bytes = 0
  /** What to ask for next; null until it is known where to start. */
  #next: number | null = null
  /** Where it ends as far as known; null until a broker has said. */
  #end: number | null = null
  /** Answers to what was asked before a seek do not count. */
  #epoch = 0
  /** The topic that `next` is an offset of; null from a seek on, until it is asked for. */
  topicId: string | null = null
  isAsked = false
  failures = 0
  retryAtMs = 0
  /** Since when brokers have said that there is no such topic. */
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

  /** Of what has come and was not taken. */
  get bytes(): number {
    return this.#bytes
  }

  get isEmpty(): boolean {
    return this.#batches.isEmpty
  }

  /** There is more, or nobody has said yet that there is not. */
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
   * The next records, at most `count`. A batch whose bytes are those that its producer wrote, and hold no records, stays so however often it is
   * fetched: the rest of it is left out, and told to `onUnreadable`.
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
