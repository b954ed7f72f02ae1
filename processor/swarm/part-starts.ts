import { murmur2 } from '../partitioner.ts'
import type { Log, PartitionOffsets, TopicPartition } from '../ports.ts'

/**
 * The first offset of each request in a topic of parts, for requests whose time cannot be trusted. A request that another program writes to a topic has
 * the time that this program gives it. Each partition is read once, and from then on only its new records are.
 */
export class PartStarts {
  readonly #log: Pick<Log, 'read'>
  readonly #partitions = new Map<number, PartitionStarts>()
  readonly #topic: string

  constructor(log: Pick<Log, 'read'>, topic: string) {
    this.#log = log
    this.#topic = topic
  }

  /** An offset with no earlier record of the request; `end` if the request has no record before it. */
  startOf(partition: number, id: string, offsets: PartitionOffsets): Promise<number> {
    const starts = this.#partitions.get(partition) ?? new PartitionStarts(this.#log, { topic: this.#topic, partition })
    this.#partitions.set(partition, starts)
    return starts.startOf(id, offsets)
  }
}

class PartitionStarts {
  readonly #log: Pick<Log, 'read'>
  readonly #place: TopicPartition
  /** The first and the last offset of a request, by the hash of its id. Two ids with one hash begin at the earlier offset. */
  readonly #requests = new Map<number, { readonly first: number; readonly last: number }>()
  /** Requests with records before this offset may be unknown. */
  #forgotten = 0
  #next = 0
  #reading: Promise<void> = Promise.resolve()

  constructor(log: Pick<Log, 'read'>, place: TopicPartition) {
    this.#log = log
    this.#place = place
  }

  async startOf(id: string, { start, end }: PartitionOffsets): Promise<number> {
    const reading = this.#reading.catch(() => {}).then(() => this.#read(Math.max(start, this.#next), end))
    this.#reading = reading
    await reading
    if (this.#forgotten > start) return start
    const first = this.#requests.get(murmur2(Buffer.from(id)))?.first ?? end
    return Math.max(start, first)
  }

  async #read(from: number, end: number): Promise<void> {
    if (from >= end) return
    for await (const { records } of this.#log.read({ ...this.#place, from, to: end })) {
      for (const { key, offset } of records) {
        if (key !== null) this.#note(murmur2(key), offset)
        this.#next = offset + 1
      }
    }
    this.#next = Math.max(this.#next, end)
  }

  /** Notes a record. The request whose last record is the oldest is forgotten first. */
  #note(hash: number, offset: number): void {
    const first = this.#requests.get(hash)?.first ?? offset
    this.#requests.delete(hash)
    this.#requests.set(hash, { first, last: offset })
    if (this.#requests.size <= maxRequests) return
    const [oldest] = this.#requests
    if (oldest === undefined) return
    this.#requests.delete(oldest[0])
    this.#forgotten = Math.max(this.#forgotten, oldest[1].last + 1)
  }
}

/** Past this number, a search reads the whole partition. */
const maxRequests = 50_000
