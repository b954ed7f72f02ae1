import { type ProducerRecord, placeName, type TopicPartition } from '../../../processor/ports.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { backOffMs } from './back-off.ts'
import type { Batch, BatchSet, ProducerIdentity } from './batch.ts'
import { BrokerError, errorName, isPassing, missingTopic, toWaggleError } from './broker-error.ts'
import { type Cluster, goneTopicMs } from './cluster.ts'
import type { Broker, Lane } from './connections.ts'
import { PartitionQueue } from './partition-queue.ts'
import { type ProduceAnswer, produceRequest } from './produce-request.ts'
import { RefusedSizes } from './refused-sizes.ts'

/** Makes partitions part of the transaction that is open, before anything is written to them. */
export interface Enlistment {
  readonly transactionalId: string
  identify(): Promise<ProducerIdentity>
  isEnlisted(topic: string, partition: number): boolean
  enlist(places: readonly { readonly topic: string; readonly partition: number }[]): Promise<void>
}

export interface IdempotentSenderOptions {
  readonly cluster: Cluster
  readonly name: string
  readonly lingerMs: number
  readonly maxBatchBytes: number
  readonly deliveryTimeoutMs: number
  readonly enlistment: Enlistment | null
  /** False while another process may have been given the partitions whose results these records are: batches wait until it is true again. */
  readonly holdsSeat: () => boolean
}

/**
 * Sends batches in the order they were made, as one idempotent producer (KIP-98). A partition has one batch on its way at a time, so a batch that is sent again
 * keeps its place; records that are appended meanwhile make the next batch larger.
 */
export class IdempotentSender {
  readonly #options: IdempotentSenderOptions
  readonly #cluster: Cluster
  readonly #lane: Lane
  readonly #refusedSizes: RefusedSizes
  #queues = new Map<string, PartitionQueue[]>()
  #ready = new Set<PartitionQueue>()
  #identity: ProducerIdentity | null = null
  #isIdentifying = false
  /** A producer id that was requested before a reset must not be used after it. */
  #resets = 0
  /** Buffers of acknowledged batches, for new batches. */
  readonly #spare: Buffer[] = []
  #pendingBytes = 0
  #isPumping = false
  #cancelLinger: (() => void) | null = null
  #cancelRetry: (() => void) | null = null
  #isRefreshing = false
  #failures = 0
  #closed = false

  constructor(options: IdempotentSenderOptions) {
    this.#options = options
    this.#cluster = options.cluster
    this.#refusedSizes = new RefusedSizes(options.cluster.clock)
    this.#lane = { name: `${options.name} produce`, requestTimeoutMs: 30_000 }
  }

  /** Appended, and not yet acknowledged. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  append(record: ProducerRecord, set: BatchSet): Batch {
    if (this.#closed) throw new WaggleError('WAGGLE_CLOSED', { message: 'This producer is closed', next: 'Make another one.' })
    this.#refusedSizes.check(record)
    const queue = this.#queueOf(record)
    const before = queue.batches.at(-1)?.writer.size ?? 0
    const last = queue.appendToLast(record, set)
    if (last !== null) {
      this.#pendingBytes += last.writer.size - before
      return last
    }
    if (queue.head !== undefined) this.#makeReady(queue)
    const batch = queue.append(record, { set, spare: this.#spare.pop(), sinceMs: this.#cluster.clock.elapsedMs() })
    this.#pendingBytes += batch.writer.size
    this.#cancelLinger ??= this.#lingerThen(() => {
      this.#cancelLinger = null
      this.flush()
    })
    return batch
  }

  /** Sends all batches without waiting for more records. */
  flush(): void {
    for (const queues of this.#queues.values()) for (const queue of queues) if (queue?.head !== undefined) this.#makeReady(queue)
  }

  /** Forgets all batches that no broker has acknowledged, and goes on as another producer, so that none of them counts. */
  reset(): void {
    this.#queues = new Map()
    this.#ready = new Set()
    this.#pendingBytes = 0
    this.#identity = null
    this.#resets++
    this.#cancelLinger?.()
    this.#cancelLinger = null
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelLinger?.()
    this.#cancelRetry?.()
    await this.#cluster.client.closeLanes((name) => name === this.#lane.name)
  }

  #lingerThen(callback: () => void): () => void {
    if (this.#options.lingerMs > 0) return this.#cluster.clock.after(this.#options.lingerMs, callback)
    const immediate = setImmediate(callback)
    return () => clearImmediate(immediate)
  }

  #makeReady(queue: PartitionQueue): void {
    this.#ready.add(queue)
    this.pump()
  }

  /** Sends every batch that can go, at the end of this turn. */
  pump(): void {
    if (this.#isPumping || this.#closed) return
    this.#isPumping = true
    queueMicrotask(() => {
      this.#isPumping = false
      if (!this.#closed) this.#pump()
    })
  }

  #pump(): void {
    if (this.#ready.size === 0) return
    const identity = this.#identity
    if (identity === null) {
      void this.#identify()
      return
    }
    const now = this.#cluster.clock.elapsedMs()
    const byBroker = new Map<string, { readonly broker: Broker; readonly queues: PartitionQueue[]; bytes: number }>()
    const unlisted: PartitionQueue[] = []
    let retryAtMs = Number.POSITIVE_INFINITY
    let isLeaderMissing = false
    const holdsSeat = this.#options.holdsSeat()
    const overdue: PartitionQueue[] = []
    for (const queue of this.#ready) {
      const batch = queue.head
      if (batch === undefined || queue.inFlight) this.#ready.delete(queue)
      else if (!batch.set.maySend || queue.isEnlisting) continue
      else if (!holdsSeat) {
        if (now - batch.sinceMs > this.#options.deliveryTimeoutMs) overdue.push(queue)
        else retryAtMs = now + seatCheckMs
      } else if (queue.retryAtMs > now) retryAtMs = Math.min(retryAtMs, queue.retryAtMs)
      else {
        const broker = this.#cluster.leaderOf(queue.topic, queue.partition)
        if (broker === null) {
          isLeaderMissing = true
          continue
        }
        if (this.#options.enlistment?.isEnlisted(queue.topic, queue.partition) === false) {
          unlisted.push(queue)
          continue
        }
        const name = `${broker.host}:${broker.port}`
        const group = byBroker.get(name) ?? { broker, queues: [], bytes: 0 }
        byBroker.set(name, group)
        if (group.bytes > 0 && group.bytes + batch.writer.size > maxRequestBytes) continue
        group.bytes += batch.writer.size
        group.queues.push(queue)
        this.#ready.delete(queue)
      }
    }
    for (const queue of overdue) this.#giveUpWithoutSeat(queue)
    for (const { broker, queues } of byBroker.values()) void this.#send(broker, queues, identity)
    if (unlisted.length > 0) void this.#enlist(unlisted)
    if (isLeaderMissing) void this.#findLeaders()
    if (retryAtMs < Number.POSITIVE_INFINITY) {
      this.#cancelRetry?.()
      this.#cancelRetry = this.#cluster.clock.after(Math.max(1, retryAtMs - now), () => this.pump())
    }
  }

  async #send(broker: Broker, queues: readonly PartitionQueue[], identity: ProducerIdentity): Promise<void> {
    const { enlistment } = this.#options
    const sent = queues.flatMap((queue) => {
      const batch = queue.head
      if (batch === undefined) return []
      queue.inFlight = true
      return [{ queue, batch }]
    })
    try {
      const parts = sent.map(({ queue }) => ({
        topic: queue.topic,
        partition: queue.partition,
        batch: queue.seal(identity, { isTransactional: enlistment !== null }),
      }))
      const request = produceRequest(parts, { transactionalId: enlistment?.transactionalId ?? null, timeoutMs: 15_000 })
      const answers = await this.#cluster.client.raw({ lane: this.#lane, broker }, request)
      const byPlace = new Map(answers.map((answer) => [placeName(answer), answer]))
      for (const { queue, batch } of sent) this.#answered(queue, batch, byPlace.get(placeName(batch)))
      // Batches that this request had no room for.
      this.pump()
    } catch (thrown) {
      for (const { queue, batch } of sent) this.#refused(queue, batch, thrown)
    }
  }

  #answered(queue: PartitionQueue, batch: Batch, answer: ProduceAnswer | undefined): void {
    const error = answer === undefined ? 'NETWORK' : answer.errorCode === 0 ? null : errorName(answer.errorCode)
    if (error !== null && error !== 'DUPLICATE_SEQUENCE_NUMBER') {
      this.#refused(queue, batch, new BrokerError(error, answer?.message))
      return
    }
    queue.failures = 0
    this.#settle(queue, batch)
    batch.set.sent(batch, error === null ? (answer?.baseOffset ?? -1) : -1)
  }

  #refused(queue: PartitionQueue, batch: Batch, thrown: unknown): void {
    queue.inFlight = false
    // A reset has dropped the batch.
    if (queue.head !== batch || this.#closed || !this.#owns(queue)) return
    const error = thrown instanceof BrokerError ? thrown.error : ''
    const isTransactional = this.#options.enlistment !== null
    const now = this.#cluster.clock.elapsedMs()
    const isOverdue = now - batch.sinceMs > this.#options.deliveryTimeoutMs
    if (isPassing(thrown)) batch.mayBeWritten = true
    if (!isTransactional && forgotten.has(error) && !isOverdue) {
      // The leader has forgotten this producer, or its last batches, so it has not got this batch: it goes again under a new producer id.
      this.#newIdentity(queue.identity)
      queue.unnumber()
      this.#retry(queue, now)
    } else if (tooLarge.has(error) && batch.writer.count > 1) {
      this.#divide(queue)
    } else if (isPassing(thrown) && !isOverdue) {
      this.#retry(queue, now)
      void this.#findLeaders()
    } else {
      if (!batch.mayBeWritten && !isPassing(thrown)) queue.unnumber()
      // The batch may be in the log or not, so the next batch has no sure sequence number.
      else if (!isTransactional) this.#newIdentity(queue.identity)
      if (tooLarge.has(error)) this.#refusedSizes.add(batch.topic, batch.writer.size)
      this.#settle(queue, batch)
      batch.set.failed(batch, toWaggleError(thrown, `Records cannot be written to partition ${batch.partition} of ${batch.topic}`))
    }
  }

  #giveUpWithoutSeat(queue: PartitionQueue): void {
    const batch = queue.head
    if (batch === undefined) return
    if (this.#options.enlistment === null) this.#newIdentity(queue.identity)
    this.#settle(queue, batch)
    const thrown = new BrokerError('NETWORK', 'the coordinator of the group does not answer')
    batch.set.failed(batch, toWaggleError(thrown, `Records cannot be written to partition ${batch.partition} of ${batch.topic}`))
  }

  #divide(queue: PartitionQueue): void {
    const { batch, parts } = queue.divide()
    this.#pendingBytes += parts.reduce((sum, { writer }) => sum + writer.size, 0) - batch.writer.size
    batch.set.divided(batch, parts)
    this.#makeReady(queue)
  }

  #retry(queue: PartitionQueue, now: number): void {
    queue.retryAtMs = now + backOffMs(queue.failures++)
    this.#makeReady(queue)
  }

  #settle(queue: PartitionQueue, batch: Batch): void {
    queue.inFlight = false
    if (queue.head !== batch || !this.#owns(queue)) return
    queue.shift()
    this.#pendingBytes -= batch.writer.size
    // A connection that did not answer may still send the bytes.
    if (!batch.mayBeWritten && this.#spare.length < maxSpare) this.#spare.push(batch.writer.buffer)
    if (queue.head !== undefined) this.#makeReady(queue)
  }

  /** False: a reset has dropped the queue. */
  #owns(queue: PartitionQueue): boolean {
    return this.#queues.get(queue.topic)?.[queue.partition] === queue
  }

  /** A new producer id for batches that were never sent. Batches that may be in the log keep the id that they were sent under, and end first. */
  #newIdentity(old: ProducerIdentity | null): void {
    if (this.#identity === old) this.#identity = null
  }

  async #identify(): Promise<void> {
    if (this.#isIdentifying) return
    this.#isIdentifying = true
    const resets = this.#resets
    try {
      const identity = await (this.#options.enlistment?.identify() ?? newProducerId(this.#cluster))
      if (resets === this.#resets) this.#identity = identity
    } catch (thrown) {
      if (resets === this.#resets) this.#failAll(toWaggleError(thrown, 'Records cannot be written'))
    } finally {
      this.#isIdentifying = false
      this.pump()
    }
  }

  async #enlist(queues: readonly PartitionQueue[]): Promise<void> {
    for (const queue of queues) queue.isEnlisting = true
    try {
      await this.#options.enlistment?.enlist(queues)
    } catch (thrown) {
      // One topic that is gone keeps all partitions of the request out: they try again, without it once the metadata says so.
      if (thrown instanceof BrokerError && thrown.error === 'UNKNOWN_TOPIC_OR_PARTITION') {
        const now = this.#cluster.clock.elapsedMs()
        for (const queue of queues) if (this.#owns(queue)) this.#retry(queue, now)
        void this.#findLeaders()
        return
      }
      const error = toWaggleError(thrown, 'Records cannot be written in a transaction')
      for (const queue of queues) {
        const batch = queue.head
        if (batch === undefined || !this.#owns(queue)) continue
        this.#settle(queue, batch)
        batch.set.failed(batch, error)
      }
    } finally {
      for (const queue of queues) queue.isEnlisting = false
      this.pump()
    }
  }

  #failAll(error: WaggleError): void {
    const batches = [...this.#queues.values()].flatMap((queues) => queues.flatMap((queue) => queue?.batches ?? []))
    this.reset()
    for (const batch of batches) batch.set.failed(batch, error)
  }

  async #findLeaders(): Promise<void> {
    if (this.#isRefreshing || this.#closed) return
    this.#isRefreshing = true
    try {
      await this.#cluster.refresh(this.#queues.keys())
      const queues = [...this.#ready]
      const missing = queues.filter(({ topic, partition }) => this.#cluster.leaderOf(topic, partition) === null)
      if (missing.length === 0) this.#failures = 0
      else this.#giveUpOverdue(missing)
      if (missing.length > 0) await this.#cluster.backOff(this.#failures++)
    } catch (thrown) {
      this.#giveUpOverdue([...this.#ready], thrown)
      await this.#cluster.backOff(this.#failures++)
    } finally {
      this.#isRefreshing = false
      this.pump()
    }
  }

  /** `thrown`: why no broker could be asked; null where one has answered. */
  #giveUpOverdue(queues: readonly PartitionQueue[], thrown: unknown = null): void {
    const now = this.#cluster.clock.elapsedMs()
    for (const queue of queues) {
      const batch = queue.head
      if (batch === undefined || queue.inFlight) continue
      const reason = thrown === null ? this.#cluster.topicError(queue.topic) : ''
      queue.unknownSinceMs = reason === 'UNKNOWN_TOPIC_OR_PARTITION' ? (queue.unknownSinceMs ?? now) : null
      const isGone = queue.unknownSinceMs !== null && now - queue.unknownSinceMs > goneTopicMs
      if (!isGone && now - batch.sinceMs <= this.#options.deliveryTimeoutMs) continue
      this.#settle(queue, batch)
      const what = `partition ${queue.partition} of ${queue.topic}`
      if (isGone) this.#forgetTopic(queue.topic)
      const noLeader = () => toWaggleError(new BrokerError(reason), `There is no leader for ${what}`)
      batch.set.failed(
        batch,
        isGone ? missingTopic(queue) : thrown === null ? noLeader() : toWaggleError(thrown, `Records cannot be written to ${what}`),
      )
    }
  }

  /** Forgets a topic that is gone once no record waits for it: records may name any number of topics. */
  #forgetTopic(topic: string): void {
    const queues = this.#queues.get(topic)
    if (queues === undefined || queues.some((queue) => queue?.head !== undefined)) return
    // If the topic comes back, sequence numbers that begin anew under the same producer id would count as repeats.
    if (this.#options.enlistment === null) for (const queue of queues) if (queue) this.#newIdentity(queue.identity)
    this.#queues.delete(topic)
  }

  #queueOf(place: TopicPartition): PartitionQueue {
    let queues = this.#queues.get(place.topic)
    if (queues === undefined) {
      queues = []
      this.#queues.set(place.topic, queues)
    }
    const there = queues[place.partition]
    if (there !== undefined) return there
    const made = new PartitionQueue(place, this.#options.maxBatchBytes)
    queues[place.partition] = made
    return made
  }
}

function newProducerId(cluster: Cluster): Promise<ProducerIdentity> {
  return cluster.retry('A producer cannot be made', () => cluster.ask((at) => cluster.client.newProducerId(at)))
}

const tooLarge: ReadonlySet<string> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
const forgotten: ReadonlySet<string> = new Set(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_EPOCH'])
const maxSpare = 16
/** How often a sender that waits looks whether its seat is held again. */
const seatCheckMs = 20
const maxRequestBytes = 8 * 1024 * 1024
