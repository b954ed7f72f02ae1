import type { Clock, Log, LogRecord, Reader, TopicPartition } from '../../processor/ports.ts'
import { recordsLost } from '../../processor/thread/skipped-records.ts'

export interface FollowedPartitionOptions extends TopicPartition {
  /** The first offset to deliver. Default: the end of the partition. */
  readonly from?: number
  readonly log: Log
  readonly clock: Clock
  readonly onRecord: (record: LogRecord) => void
  readonly onFailure: (error: unknown) => void
}

/** Delivers every record that arrives in a partition from now on. When a reader fails, a new reader continues at the same position. */
export class FollowedPartition {
  readonly #options: FollowedPartitionOptions
  #reader: Reader
  #next: number
  #closed = false
  /** The awaited offsets, by the promise that waits for the offset. */
  readonly #awaited = new Map<PromiseWithResolvers<void>, number>()

  private constructor(options: FollowedPartitionOptions, from: number) {
    this.#options = options
    this.#next = from
    this.#reader = this.#read()
  }

  /** Settles when every later record will be delivered. */
  static async open(options: FollowedPartitionOptions): Promise<FollowedPartition> {
    const { log, topic, partition } = options
    const from = options.from ?? (await log.topic(topic))?.offsets[partition]?.end ?? 0
    const followed = new FollowedPartition(options, from)
    await followed.#reader.ready
    void followed.#follow()
    return followed
  }

  /** Settles when every record before this offset has been delivered, or when nothing is delivered any more. */
  reached(offset: number): Promise<void> {
    const awaited = Promise.withResolvers<void>()
    if (this.#closed || this.#next >= offset) awaited.resolve()
    else this.#awaited.set(awaited, offset)
    return awaited.promise
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#tell(Number.POSITIVE_INFINITY)
    await this.#reader.close()
  }

  async #follow(): Promise<void> {
    const { clock, onRecord, onFailure } = this.#options
    for (let isFirst = true; !this.#closed; isFirst = false) {
      try {
        if (!isFirst) this.#reader = this.#read()
        for await (const { records } of this.#reader) {
          for (const record of records) {
            this.#next = record.offset + 1
            onRecord(record)
          }
          this.#tell(this.#next)
        }
      } catch (error) {
        if (!this.#closed) onFailure(error)
      }
      if (this.#closed) return
      await new Promise<void>((resolve) => void clock.after(retryMs, resolve))
    }
  }

  #tell(next: number): void {
    for (const [awaited, offset] of this.#awaited) {
      if (offset > next) continue
      this.#awaited.delete(awaited)
      awaited.resolve()
    }
  }

  #read(): Reader {
    const { log, topic, partition, onFailure } = this.#options
    return log.read({ topic, partition, from: this.#next, onGap: (gap, cause) => onFailure(recordsLost(gap, cause)) })
  }
}

const retryMs = 1000
