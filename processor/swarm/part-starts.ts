import { murmur2 } from '../../topology/partitioner.ts'
import type { Log, PartitionOffsets, TopicPartition } from '../ports.ts'

/**
 * The first offset of each request in a topic of parts, for requests whose time cannot be trusted. If another program writes a request to a topic,
 * the request's time comes from that program. Each partition is read once. After that, only its new records are read.
 */
export class PartStarts {
  readonly #log: Pick<Log, 'read'>
  readonly #partitions = new Map<number, PartitionStarts>()
  readonly #topic: string

  constructor(log: Pick<Log, 'read'>, topic: string) {
    this.#log = log
    this.#topic = topic
  }

  /** An offset before which the request has no record. It is `end` if the request has no record at all. */
  startOf(partition: number, id: string, offsets: PartitionOffsets): Promise<number> {
    const starts = this.#partitions.get(partition) ?? new PartitionStarts(this.#log, { topic: this.#topic, partition })
    this.#partitions.set(partition, starts)
    return starts.startOf(id, offsets)
  }
}

class PartitionStarts {
  readonly #log: Pick<Log, 'read'>
  readonly #place: TopicPartition
  /** The first and the last offset of a request, by the hash of its id. Two ids with the same hash share the earlier first offset. */
  readonly #requests = new Map<number, { readonly first: number; readonly last: number }>()
  /** A request whose records all lie before this offset may be unknown. */
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

  /** Notes a record. If too many requests are known, the request whose last record is the oldest is forgotten first. */
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

/** The most requests that are known for a partition. If some were forgotten, a search reads the whole partition. */
const maxRequests = 50_000
