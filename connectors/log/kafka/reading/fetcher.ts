import { type Gap, type LogRecord, partitionName } from '../../../../processor/ports.ts'
import { backOffMs } from '../cluster/back-off.ts'
import { BrokerError, errorName, isPassing, missingTopic, toWaggleError } from '../cluster/broker-error.ts'
import { type Cluster, goneTopicMs } from '../cluster/cluster.ts'
import type { Broker, Lane } from '../cluster/connections.ts'
import { type FetchAnswer, fetchRequest } from '../wire/fetch-request.ts'
import { FetchSession } from './fetch-session.ts'
import type { FetchedPartition } from './fetched-partition.ts'

export interface FetcherOptions {
  readonly cluster: Cluster
  readonly name: string
  readonly maxBytes: number
  /** Called when records of the partition have arrived, or when a broker has reported that there are no new records. */
  readonly onAnswer: (partition: FetchedPartition) => void
  /** Called when the record at the partition's next offset is deleted. */
  readonly onOutOfRange: (partition: FetchedPartition) => void
  /** Called for offsets whose records cannot be read. These offsets are skipped. */
  readonly onUnreadable: (partition: FetchedPartition, gap: Gap, cause: Error) => void
  /** Called for partitions that cannot be read now. The fetcher tries them again. */
  readonly onError: (error: Error, partitions: readonly FetchedPartition[]) => void
  /** Called when the topic has been missing for `goneTopicMs`. */
  readonly onGone: (error: Error, partition: FetchedPartition) => void
}

/**
 * Reads ahead for many partitions. Each broker has a few fetch sessions. While the request of one session waits for records, other partitions use
 * another session, so a partition with records never waits for an empty one. A round looks only at partitions that have changed: their next offset is
 * new, or they may now be read or no longer be read.
 */
export class Fetcher {
  readonly #options: FetcherOptions
  readonly #cluster: Cluster
  /** All partitions. Each has its session, or null. */
  readonly #partitions = new Map<FetchedPartition, FetchSession | null>()
  /** Partitions for which a session must be found or changed. */
  #changed = new Set<FetchedPartition>()
  /** Partitions that wait because the memory is full. They go on when other partitions have fewer records in memory. */
  readonly #crowded = new Set<FetchedPartition>()
  /** Partitions that are tried again at `retryAtMs`. */
  readonly #delayed = new Set<FetchedPartition>()
  readonly #lanes: readonly Lane[]
  readonly #sessions = new Map<string, readonly FetchSession[]>()
  #bytes = 0
  #recreated = 0
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
    this.#partitions.set(partition, null)
    this.#bytes += partition.bytes
    this.#change(partition)
  }

  delete(partition: FetchedPartition): void {
    if (!this.#partitions.has(partition)) return
    this.#leave(partition)
    this.#partitions.delete(partition)
    for (const set of [this.#changed, this.#crowded, this.#delayed]) set.delete(partition)
    this.#bytes -= partition.bytes
    this.poke()
  }

  take(partition: FetchedPartition, count: number): LogRecord[] {
    const before = partition.bytes
    const records = partition.take(count, (gap, cause) => this.#options.onUnreadable(partition, gap, cause))
    if (partition.bytes !== before && this.#partitions.has(partition)) {
      this.#bytes += partition.bytes - before
      this.#change(partition)
    }
    return records
  }

  seek(partition: FetchedPartition, offset: number): void {
    const isHere = this.#partitions.has(partition)
    if (isHere) this.#bytes -= partition.bytes
    partition.seek(offset)
    if (!isHere) return
    this.#leave(partition)
    this.#change(partition)
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

  #change(partition: FetchedPartition): void {
    this.#changed.add(partition)
    this.poke()
  }

  #leave(partition: FetchedPartition): void {
    this.#partitions.get(partition)?.leave(partition)
    if (this.#partitions.has(partition)) this.#partitions.set(partition, null)
  }

  #ask(): void {
    const now = this.#cluster.clock.elapsedMs()
    const evicted: FetchedPartition[] = []
    for (const partition of this.#due(now)) this.#place(partition, now, evicted)
    // Partitions that found no room come first in the next round, so that no partition waits forever.
    for (const partition of evicted) this.#changed.add(partition)
    for (const sessions of this.#sessions.values()) {
      for (const session of sessions) if (!session.isWaiting && !session.isEmpty) void this.#fetch(session)
    }
    this.#planRetry(now)
  }

  /** Takes the partitions that this round must look at. */
  #due(now: number): Iterable<FetchedPartition> {
    const due = this.#changed
    this.#changed = new Set()
    if (this.#bytes < this.#options.maxBytes) {
      for (const partition of this.#crowded) due.add(partition)
      this.#crowded.clear()
    }
    for (const partition of this.#delayed) if (partition.retryAtMs <= now) due.add(partition)
    // Offsets of a topic that was deleted and created again do not hold in the new topic. So all partitions are looked at.
    if (this.#recreated !== this.#cluster.recreated) for (const partition of this.#partitions.keys()) due.add(partition)
    this.#recreated = this.#cluster.recreated
    return due
  }

  /**
   * Gives a partition a session, or takes it out of its session if it must not be read now. A partition that has to leave the session in exchange is
   * added to `evicted`.
   */
  #place(partition: FetchedPartition, now: number, evicted: FetchedPartition[]): void {
    if (!this.#partitions.has(partition)) return
    this.#delayed.delete(partition)
    if (partition.retryAtMs <= now && this.#isRecreated(partition)) {
      this.#later(partition)
      this.#options.onOutOfRange(partition)
    }
    const broker = this.#mayAsk(partition, now) ? this.#cluster.leaderOf(partition.topic, partition.partition) : null
    const session = this.#partitions.get(partition) ?? null
    if (session !== null && broker !== null && nameOf(session.broker) === nameOf(broker)) session.moved(partition)
    else {
      this.#leave(partition)
      if (broker !== null && !this.#join(partition, broker, evicted)) this.#changed.add(partition)
    }
  }

  /** False if the partition has enough records, waits after an error, or has no leader. The partition is looked at again when this has changed. */
  #mayAsk(partition: FetchedPartition, now: number): boolean {
    if (partition.next === null || partition.bytes >= maxAheadBytes) return false
    if (this.#bytes >= this.#options.maxBytes && !partition.isEmpty) {
      this.#crowded.add(partition)
      return false
    }
    if (partition.retryAtMs > now) {
      this.#delayed.add(partition)
      return false
    }
    if (this.#cluster.leaderOf(partition.topic, partition.partition) === null) {
      this.#changed.add(partition)
      void this.#findLeaders()
      return false
    }
    return true
  }

  /** Puts the partition into a session. False if no session has room for it now. */
  #join(partition: FetchedPartition, broker: Broker, evicted: FetchedPartition[]): boolean {
    const name = partitionName(partition)
    const idle = this.#sessionsOf(broker).filter(({ isWaiting }) => !isWaiting)
    const session = idle.find((one) => one.holder(name) === null) ?? idle.find((one) => one.hasAsked(name))
    if (session === undefined) return false
    const holder = session.holder(name)
    if (holder !== null) {
      // `holder` reads the same partition and was just served, so `partition` takes its place in the session.
      this.#leave(holder)
      evicted.push(holder)
    }
    session.join(partition)
    this.#partitions.set(partition, session)
    return true
  }

  #sessionsOf(broker: Broker): readonly FetchSession[] {
    const name = nameOf(broker)
    const known = this.#sessions.get(name)
    if (known !== undefined) return known
    const sessions = this.#lanes.map((lane) => new FetchSession(broker, lane))
    this.#sessions.set(name, sessions)
    return sessions
  }

  #planRetry(now: number): void {
    this.#cancelRetry?.()
    this.#cancelRetry = null
    let atMs = Number.POSITIVE_INFINITY
    for (const { retryAtMs } of this.#delayed) atMs = Math.min(atMs, retryAtMs)
    if (atMs < Number.POSITIVE_INFINITY) this.#cancelRetry = this.#cluster.clock.after(Math.max(1, atMs - now), () => this.poke())
  }

  /**
   * True if the topic was deleted and created again. Offsets of the old topic are not valid in the new topic, even if the new topic has as many
   * records.
   */
  #isRecreated(partition: FetchedPartition): boolean {
    const id = this.#cluster.topicIdOf(partition.topic)
    partition.topicId ??= id
    return id !== null && id !== partition.topicId && partition.isEmpty
  }

  async #fetch(session: FetchSession): Promise<void> {
    const { broker, lane } = session
    session.isWaiting = true
    try {
      const ask = session.take()
      const request = fetchRequest(ask, { maxWaitMs, maxBytes: maxAnswerBytes, maxPartitionBytes })
      const { errorCode, session: id, answers } = await this.#cluster.client.raw({ lane, broker }, request)
      if (ask.epoch > 0 && isSessionLost(errorCode)) {
        session.restart()
        return
      }
      if (errorCode !== 0) throw new BrokerError(errorName(errorCode))
      session.answered(id)
      for (const answer of answers) {
        const partition = session.holder(partitionName(answer))
        // The answer is dropped if the partition was removed, or moved by a seek, during the request.
        if (partition !== null) this.#add(partition, answer)
      }
      this.#failures = 0
    } catch (thrown) {
      if (this.#closed) return
      const partitions = session.clear()
      for (const partition of partitions) this.#partitions.set(partition, null)
      if (!isPassing(thrown)) this.#options.onError(toWaggleError(thrown, `${nameOf(broker)} cannot be read from`), partitions)
      for (const partition of partitions) this.#later(partition)
      void this.#findLeaders()
    } finally {
      session.isWaiting = false
      this.poke()
    }
  }

  #add(partition: FetchedPartition, answer: FetchAnswer): void {
    const error = answer.errorCode === 0 ? null : errorName(answer.errorCode)
    this.#changed.add(partition)
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

  /** Plans another fetch before it reports a damaged batch, because the bytes may have been damaged on their way. */
  #cannotRead(partition: FetchedPartition, thrown: unknown): void {
    const isDamaged = thrown instanceof BrokerError && thrown.error === 'CORRUPT_MESSAGE'
    this.#later(partition)
    if (isDamaged && partition.failures < damagedTries) return
    this.#options.onError(toWaggleError(thrown, `Partition ${partition.partition} of ${partition.topic} cannot be read`), [partition])
  }

  #later(partition: FetchedPartition): void {
    partition.retryAtMs = this.#cluster.clock.elapsedMs() + backOffMs(partition.failures++)
    this.#changed.add(partition)
  }

  async #findLeaders(): Promise<void> {
    if (this.#isRefreshing || this.#closed) return
    this.#isRefreshing = true
    try {
      await this.#cluster.refresh(Array.from(this.#partitions.keys(), ({ topic }) => topic))
      const missing = [...this.#partitions.keys()].filter((one) => this.#isMissing(one))
      if (missing.length > 0) await this.#cluster.backOff(this.#failures++)
    } catch {
      // No broker answers. After a pause, the next round tries again.
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

function nameOf({ host, port }: Broker): string {
  return `${host}:${port}`
}

/** True if the broker has forgotten the session, or expects another request of it. The next request must then begin a new session. */
function isSessionLost(errorCode: number): boolean {
  return lostSession.has(errorName(errorCode))
}

const lostSession: ReadonlySet<string> = new Set(['FETCH_SESSION_ID_NOT_FOUND', 'INVALID_FETCH_SESSION_EPOCH'])
const lanesABroker = 3
const maxWaitMs = 500
const maxAnswerBytes = 4 * 1024 * 1024
const maxPartitionBytes = 1024 * 1024
/** Fetching of a partition pauses when it has this many fetched bytes. */
const maxAheadBytes = 1024 * 1024
const damagedTries = 5
