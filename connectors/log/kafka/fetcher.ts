import { type Gap, type LogRecord, partitionName } from '../../../processor/ports.ts'
import { backOffMs } from './back-off.ts'
import { BrokerError, errorName, isPassing, missingTopic, toWaggleError } from './broker-error.ts'
import { type Cluster, goneTopicMs } from './cluster.ts'
import type { Broker, Lane } from './connections.ts'
import { type FetchAnswer, fetchRequest } from './fetch-request.ts'
import type { FetchedPartition } from './fetched-partition.ts'

export interface FetcherOptions {
  readonly cluster: Cluster
  readonly name: string
  readonly maxBytes: number
  /** Called when records of the partition have arrived, or when a broker has reported that there are none now. */
  readonly onAnswer: (partition: FetchedPartition) => void
  /** Called when the partition's next offset is deleted. */
  readonly onOutOfRange: (partition: FetchedPartition) => void
  /** Called for unreadable offsets. They are skipped. */
  readonly onUnreadable: (partition: FetchedPartition, gap: Gap, cause: Error) => void
  /** Called for partitions that cannot be read now. They are tried again. */
  readonly onError: (error: Error, partitions: readonly FetchedPartition[]) => void
  /** Called when the topic has been missing for `goneTopicMs`. */
  readonly onGone: (error: Error, partition: FetchedPartition) => void
}

/**
 * Reads ahead for many partitions. Partitions with the same leader share a request. While a request waits for records, other partitions use another
 * connection, so a partition with records never waits for an empty one.
 */
export class Fetcher {
  readonly #options: FetcherOptions
  readonly #cluster: Cluster
  readonly #partitions = new Set<FetchedPartition>()
  readonly #lanes: readonly Lane[]
  readonly #busy = new Map<string, Set<Lane>>()
  #bytes = 0
  #planned = false
  #cancelRetry: (() => void) | null = null
  #failures = 0
  #isRefreshing = false
  #closed = false

  constructor(options: FetcherOptions) {
    this.#options = options
    this.#cluster = options.cluster
    this.#lanes = Array.from({ length: lanesABroker }, (_, at) => ({ name: `${options.name} fetch ${at}`, requestTimeoutMs: 30_000 }))
  }

  add(partition: FetchedPartition): void {
    this.#partitions.add(partition)
    this.poke()
  }

  delete(partition: FetchedPartition): void {
    if (this.#partitions.delete(partition)) this.#bytes -= partition.bytes
  }

  take(partition: FetchedPartition, count: number): LogRecord[] {
    const before = partition.bytes
    const records = partition.take(count, (gap, cause) => this.#options.onUnreadable(partition, gap, cause))
    if (partition.bytes !== before) {
      this.#bytes += partition.bytes - before
      this.poke()
    }
    return records
  }

  seek(partition: FetchedPartition, offset: number): void {
    if (this.#partitions.has(partition)) this.#bytes -= partition.bytes
    partition.seek(offset)
    this.poke()
  }

  /** Sends the requests that are due, in the next turn of the event loop. */
  poke(): void {
    if (this.#planned || this.#closed) return
    this.#planned = true
    setImmediate(() => {
      this.#planned = false
      if (!this.#closed) this.#ask()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelRetry?.()
    this.#partitions.clear()
    const names = new Set(this.#lanes.map(({ name }) => name))
    await this.#cluster.client.closeLanes((name) => names.has(name))
  }

  #ask(): void {
    const now = this.#cluster.clock.elapsedMs()
    const byBroker = new Map<string, { readonly broker: Broker; readonly byPartition: Map<string, FetchedPartition> }>()
    let isLeaderMissing = false
    let isPartitionTaken = false
    let retryAtMs = Number.POSITIVE_INFINITY
    for (const partition of this.#partitions) {
      if (partition.isAsked || partition.next === null || partition.bytes >= maxAheadBytes) continue
      if (this.#bytes >= this.#options.maxBytes && !partition.isEmpty) continue
      if (partition.retryAtMs > now) {
        retryAtMs = Math.min(retryAtMs, partition.retryAtMs)
        continue
      }
      if (this.#isRecreated(partition)) {
        this.#later(partition)
        retryAtMs = Math.min(retryAtMs, partition.retryAtMs)
        this.#options.onOutOfRange(partition)
        continue
      }
      const broker = this.#cluster.leaderOf(partition.topic, partition.partition)
      if (broker === null) {
        isLeaderMissing = true
        continue
      }
      const name = `${broker.host}:${broker.port}`
      const group = byBroker.get(name)
      if (group === undefined) byBroker.set(name, { broker, byPartition: new Map([[partitionName(partition), partition]]) })
      else if (group.byPartition.has(partitionName(partition))) isPartitionTaken = true
      else group.byPartition.set(partitionName(partition), partition)
    }
    let isAnyAsked = false
    for (const [name, { broker, byPartition }] of byBroker) {
      const busy = this.#busy.get(name) ?? new Set()
      this.#busy.set(name, busy)
      const lane = this.#lanes.find((one) => !busy.has(one))
      if (lane === undefined) continue
      isAnyAsked = true
      void this.#fetch(lane, broker, busy, [...byPartition.values()])
    }
    // A request can contain a partition only once, so a second reader of it waits for the next round.
    if (isPartitionTaken && isAnyAsked) this.poke()
    if (isLeaderMissing) void this.#findLeaders()
    if (retryAtMs < Number.POSITIVE_INFINITY) {
      this.#cancelRetry?.()
      this.#cancelRetry = this.#cluster.clock.after(Math.max(1, retryAtMs - now), () => this.poke())
    }
  }

  /**
   * True if the topic was deleted and created again. Offsets of the old topic mean nothing in the new one, even if the new one has as many records.
   */
  #isRecreated(partition: FetchedPartition): boolean {
    const id = this.#cluster.topicIdOf(partition.topic)
    partition.topicId ??= id
    return id !== null && id !== partition.topicId && partition.isEmpty
  }

  async #fetch(lane: Lane, broker: Broker, busy: Set<Lane>, partitions: readonly FetchedPartition[]): Promise<void> {
    busy.add(lane)
    const asked = new Map(partitions.map((partition) => [partitionName(partition), { partition, epoch: partition.epoch }]))
    for (const partition of partitions) {
      partition.isAsked = true
      // The partition moves to the end of the order, so that its other readers come first in the next round.
      this.#partitions.delete(partition)
      this.#partitions.add(partition)
    }
    try {
      const asks = partitions.map(({ topic, partition, next }) => ({ topic, partition, offset: next ?? 0 }))
      const request = fetchRequest(asks, { maxWaitMs, maxBytes: maxAnswerBytes, maxPartitionBytes })
      const { errorCode, answers } = await this.#cluster.client.raw({ lane, broker }, request)
      if (errorCode !== 0) throw new BrokerError(errorName(errorCode))
      for (const partition of partitions) partition.isAsked = false
      for (const answer of answers) {
        const of = asked.get(partitionName(answer))
        // The partition was removed, or a seek has moved it, during the request.
        if (of === undefined || of.epoch !== of.partition.epoch || !this.#partitions.has(of.partition)) continue
        this.#add(of.partition, answer)
      }
      this.#failures = 0
    } catch (thrown) {
      for (const partition of partitions) partition.isAsked = false
      if (this.#closed) return
      if (!isPassing(thrown)) this.#options.onError(toWaggleError(thrown, `${broker.host}:${broker.port} cannot be read from`), partitions)
      for (const partition of partitions) this.#later(partition)
      void this.#findLeaders()
    } finally {
      busy.delete(lane)
      this.poke()
    }
  }

  #add(partition: FetchedPartition, answer: FetchAnswer): void {
    const error = answer.errorCode === 0 ? null : errorName(answer.errorCode)
    if (error === null) {
      const before = partition.bytes
      try {
        partition.add(answer)
      } catch (thrown) {
        this.#cannotRead(partition, thrown)
        return
      }
      partition.failures = 0
      this.#bytes += partition.bytes - before
      this.#options.onAnswer(partition)
    } else if (error === 'OFFSET_OUT_OF_RANGE') {
      this.#later(partition)
      this.#options.onOutOfRange(partition)
    } else {
      const failure = new BrokerError(error)
      if (isPassing(failure) && error !== 'CORRUPT_MESSAGE') {
        this.#later(partition)
        void this.#findLeaders()
      } else this.#cannotRead(partition, failure)
    }
  }

  /** Fetches again before it reports a damaged batch: the bytes may have been damaged on their way. */
  #cannotRead(partition: FetchedPartition, thrown: unknown): void {
    const isDamaged = thrown instanceof BrokerError && thrown.error === 'CORRUPT_MESSAGE'
    this.#later(partition)
    if (isDamaged && partition.failures < damagedTries) return
    this.#options.onError(toWaggleError(thrown, `Partition ${partition.partition} of ${partition.topic} cannot be read`), [partition])
  }

  #later(partition: FetchedPartition): void {
    partition.retryAtMs = this.#cluster.clock.elapsedMs() + backOffMs(partition.failures++)
  }

  async #findLeaders(): Promise<void> {
    if (this.#isRefreshing || this.#closed) return
    this.#isRefreshing = true
    try {
      await this.#cluster.refresh([...this.#partitions].map(({ topic }) => topic))
      const missing = [...this.#partitions].filter((one) => this.#isMissing(one))
      if (missing.length > 0) await this.#cluster.backOff(this.#failures++)
    } catch {
      // No broker answers. The next round tries again.
      await this.#cluster.backOff(this.#failures++)
    } finally {
      this.#isRefreshing = false
      this.poke()
    }
  }

  #isMissing(one: FetchedPartition): boolean {
    const { topic, partition } = one
    const now = this.#cluster.clock.elapsedMs()
    const isLeaderless = this.#cluster.leaderOf(topic, partition) === null
    const isUnknown = isLeaderless && this.#cluster.topicError(topic) === 'UNKNOWN_TOPIC_OR_PARTITION'
    one.unknownSinceMs = isUnknown ? (one.unknownSinceMs ?? now) : null
    if (one.unknownSinceMs !== null && now - one.unknownSinceMs > goneTopicMs) this.#options.onGone(missingTopic(one), one)
    return isLeaderless
  }
}

const lanesABroker = 3
const maxWaitMs = 500
const maxAnswerBytes = 4 * 1024 * 1024
const maxPartitionBytes = 1024 * 1024
/** Fetching pauses at this size of fetched bytes in one partition. */
const maxAheadBytes = 1024 * 1024
const damagedTries = 5
