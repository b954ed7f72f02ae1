import type { Gap, Reader, ReadOptions, RecordRun } from '../../../../processor/ports.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'
import { toWaggleError } from '../cluster/broker-error.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { edgeOffsets } from '../cluster/offsets.ts'
import { FetchedPartition } from './fetched-partition.ts'
import type { Fetcher } from './fetcher.ts'

/** Reads one partition ahead, without a group. All such readers of a log share one fetcher, and therefore share requests. */
export class PartitionReader implements Reader {
  readonly ready: Promise<void>
  readonly #fetcher: Fetcher
  readonly #cluster: Cluster
  readonly #fetched: FetchedPartition
  readonly #to: number
  readonly #whole: ReadOptions['whole'] | null
  readonly #onGap: ReadOptions['onGap'] | null
  readonly #onClosed: (fetched: FetchedPartition) => void
  #wake: (() => void) | null = null
  #failure: unknown = null
  #closed = false

  constructor(options: {
    readonly cluster: Cluster
    readonly fetcher: Fetcher
    readonly read: ReadOptions
    readonly onClosed: (fetched: FetchedPartition) => void
  }) {
    const { topic, partition, from, to, whole, onGap } = options.read
    this.#cluster = options.cluster
    this.#fetcher = options.fetcher
    this.#onClosed = options.onClosed
    this.#to = to ?? Number.POSITIVE_INFINITY
    this.#whole = whole ?? null
    this.#onGap = onGap ?? null
    this.#fetched = new FetchedPartition(topic, partition)
    this.ready = this.#start(from)
    // The caller gets the failure when it iterates, so the rejection must not count as unhandled.
    this.ready.catch(() => {})
  }

  get fetched(): FetchedPartition {
    return this.#fetched
  }

  /** Wakes the reader after a broker's response for its partition, even one without records. */
  notify(): void {
    this.#wake?.()
  }

  fail(error: unknown): void {
    this.#failure ??= error
    this.notify()
  }

  /** Continues at the start of the partition, and reports the gap. A reader that must read every record fails instead. */
  async outOfRange(): Promise<void> {
    if (!this.#fetched.isEmpty) return
    if (this.#whole !== null) return this.fail(recordsGone(this.#fetched))
    try {
      const [start = 0] = await edgeOffsets(this.#cluster, [this.#fetched], 'earliest')
      if (this.#closed) return
      const { topic, partition, next } = this.#fetched
      if (next !== null && next > 0) this.#onGap?.({ topic, partition, from: next, to: start })
      this.#fetcher.seek(this.#fetched, start)
    } catch (thrown) {
      this.fail(thrown)
    }
  }

  /** Reports offsets whose records cannot be read. A reader that must read every record fails instead. */
  unreadable(gap: Gap, cause: Error): void {
    if (this.#whole === null) this.#onGap?.(gap, cause)
    else this.fail(toWaggleError(cause, `Partition ${gap.partition} of ${gap.topic} cannot be read`))
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#fetcher.delete(this.#fetched)
    this.#onClosed(this.#fetched)
    this.notify()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<RecordRun> {
    const { topic, partition } = this.#fetched
    try {
      await this.ready
      while (!this.#closed) {
        if (this.#failure !== null) throw this.#failure
        if (this.#isOtherTopic) throw recordsGone(this.#fetched)
        const records = this.#fetcher.take(this.#fetched, recordsARun)
        const last = records.at(-1)
        if (last !== undefined) {
          const isPast = last.offset >= this.#to
          const wanted = isPast ? records.filter(({ offset }) => offset < this.#to) : records
          if (wanted.length > 0) yield { topic, partition, records: wanted }
          if (isPast) return
        } else if ((this.#fetched.next ?? 0) >= this.#to) return
        else await this.#changed()
      }
    } finally {
      await this.close()
    }
  }

  async #start(from: number): Promise<void> {
    let offset = from
    if (from < 0) [offset = 0] = await edgeOffsets(this.#cluster, [this.#fetched], 'latest')
    this.#fetched.seek(offset)
    if (!this.#closed && offset < this.#to) this.#fetcher.add(this.#fetched)
  }

  /** True if the topic was created again under its name. Fetched records may come from the new topic. */
  get #isOtherTopic(): boolean {
    const wanted = this.#whole?.topicId ?? null
    const known = this.#cluster.topicIdOf(this.#fetched.topic)
    return wanted !== null && known !== null && known !== wanted
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

function recordsGone({ topic, partition, next }: FetchedPartition): WaggleError {
  return new WaggleError('WAGGLE_RECORDS_GONE', {
    message: `Records of ${topic}, partition ${partition}, from offset ${next ?? 0} on were deleted before they were read`,
    next: 'Read the partition from its first record.',
  })
}

const recordsARun = 1000
