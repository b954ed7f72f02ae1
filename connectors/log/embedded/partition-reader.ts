import type { Reader, ReadOptions, RecordRun } from '../../../processor/ports.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import type { Partition, ReadPartition, Watcher } from './partition.ts'

/** Reads one partition's durable records without a group. */
export class PartitionReader implements Reader, Watcher {
  readonly ready = Promise.resolve()
  readonly #read: ReadPartition
  readonly #partition: Partition
  readonly #to: number
  readonly #isWhole: boolean
  readonly #skipsLarge: boolean
  readonly #onGap: ReadOptions['onGap'] | null
  #position: number
  readonly #onClosed: (reader: PartitionReader) => void
  #wake: (() => void) | null = null
  #failure: unknown = null
  #closed = false

  constructor(
    read: ReadPartition,
    partition: Partition,
    { from, to, whole, onGap, skipsLargeValues = false }: ReadOptions,
    onClosed: (reader: PartitionReader) => void,
  ) {
    this.#read = read
    this.#onClosed = onClosed
    this.#partition = partition
    this.#position = from < 0 ? partition.durableEnd : from
    this.#to = to ?? Number.POSITIVE_INFINITY
    this.#isWhole = whole !== undefined
    this.#skipsLarge = skipsLargeValues
    this.#onGap = onGap ?? null
    partition.watchers.add(this)
  }

  positionOf(): number {
    return this.#position
  }

  notify(): void {
    this.#wake?.()
  }

  fail(error: unknown): void {
    this.#failure ??= error
    this.notify()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#partition.watchers.delete(this)
    this.#onClosed(this)
    this.notify()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<RecordRun> {
    try {
      while (!this.#closed && this.#position < this.#to) {
        if (this.#failure !== null) throw this.#failure
        if (this.#position < this.#partition.start) this.#skip()
        const records = this.#read(this.#partition, this.#position, Math.min(this.#to, this.#partition.durableEnd), maxRecords, this.#skipsLarge)
        const last = records.at(-1)
        if (last !== undefined) {
          this.#position = last.offset + 1
          yield { topic: this.#partition.topic, partition: this.#partition.number, records }
        } else if (this.#partition.durableEnd >= this.#to) return
        else await this.#changed()
      }
    } finally {
      await this.close()
    }
  }

  #skip(): void {
    const { topic, number: partition, start: to } = this.#partition
    if (this.#isWhole) throw recordsGone(this.#partition)
    if (this.#position > 0) this.#onGap?.({ topic, partition, from: this.#position, to })
    this.#position = to
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null
        resolve()
      }
    })
  }
}

function recordsGone({ topic, number, start }: Partition): WaggleError {
  return new WaggleError('WAGGLE_RECORDS_GONE', {
    message: `Records of ${topic}, partition ${number}, before offset ${start} were deleted before they were read`,
    next: 'Read the partition from its first record.',
  })
}

const maxRecords = 1000
