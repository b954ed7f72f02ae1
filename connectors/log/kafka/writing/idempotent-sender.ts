import { type ProducerRecord, partitionName } from '../../../../processor/ports.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'
import { backOffMs } from '../cluster/back-off.ts'
import { BrokerError, errorName, isPassing, toWaggleError } from '../cluster/broker-error.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Broker, Lane } from '../cluster/connections.ts'
import type { Batch, BatchSet, ProducerIdentity } from '../wire/batch.ts'
import { type ProduceAnswer, produceRequest } from '../wire/produce-request.ts'
import { CurrentIdentity } from './current-identity.ts'
import { LeaderSearch } from './leader-search.ts'
import type { PartitionQueue } from './partition-queue.ts'
import { PartitionQueues } from './partition-queues.ts'
import { RefusedSizes } from './refused-sizes.ts'
import { sendRound } from './send-round.ts'

/** Adds partitions to the open transaction before any record is written to these partitions. */
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
  /** False while another process may own the partitions of the tasks that write here. Batches then wait. */
  readonly holdsSeat: () => boolean
}

/**
 * Sends batches in order, as one idempotent producer (KIP-98). A partition has only one batch in flight, so a batch that is sent again keeps its
 * place in the order. Records that are appended while a batch is in flight make the next batch larger.
 */
export class IdempotentSender {
  readonly #options: IdempotentSenderOptions
  readonly #cluster: Cluster
  readonly #lane: Lane
  readonly #refusedSizes: RefusedSizes
  readonly #queues: PartitionQueues
  #ready = new Set<PartitionQueue>()
  readonly #identity: CurrentIdentity
  readonly #leaders: LeaderSearch
  /** Buffers of acknowledged batches. New batches use them. */
  readonly #spare: Buffer[] = []
  #pendingBytes = 0
  #isPumping = false
  #cancelLinger: (() => void) | null = null
  #cancelRetry: (() => void) | null = null
  #closed = false

  constructor(options: IdempotentSenderOptions) {
    this.#options = options
    this.#cluster = options.cluster
    this.#queues = new PartitionQueues(options.maxBatchBytes)
    this.#refusedSizes = new RefusedSizes(options.cluster.clock)
    this.#identity = new CurrentIdentity({
      request: () => options.enlistment?.identify() ?? newProducerId(options.cluster),
      onFailed: (thrown) => this.#failAll(toWaggleError(thrown, 'Records cannot be written')),
      onEnded: () => this.pump(),
    })
    this.#leaders = new LeaderSearch({
      cluster: options.cluster,
      deliveryTimeoutMs: options.deliveryTimeoutMs,
      queues: () => ({ topics: this.#queues.topics, ready: [...this.#ready] }),
      onOverdue: (queue, error) => this.#giveUp(queue, error),
      onGone: (queue, error) => this.#giveUpTopic(queue, error),
      onEnded: () => this.pump(),
    })
    this.#lane = { name: `${options.name} produce`, requestTimeoutMs: 30_000 }
  }

  /** The size of all records that are appended and not acknowledged yet. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  append(record: ProducerRecord, set: BatchSet): Batch {
    if (this.#closed) throw new WaggleError('WAGGLE_CLOSED', { message: 'This producer is closed', next: 'Make another producer.' })
    this.#refusedSizes.check(record)
    const queue = this.#queues.of(record)
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

  /** Sends all batches now, without waiting for more records. */
  flush(): void {
    for (const queue of this.#queues.filled()) this.#makeReady(queue)
  }

  /** Drops all batches that are not acknowledged yet, and continues with a new producer id. */
  reset(): void {
    this.#queues.clear()
    this.#ready = new Set()
    this.#pendingBytes = 0
    this.#identity.reset()
    this.#cancelLinger?.()
    this.#cancelLinger = null
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#leaders.close()
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

  /** Sends all batches that are ready, at the end of this turn of the event loop. */
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
    const identity = this.#identity.current
    if (identity === null) {
      void this.#identity.request()
      return
    }
    const { enlistment, holdsSeat, deliveryTimeoutMs } = this.#options
    const { requests, notReady, unlisted, overdue, isLeaderMissing, retryInMs } = sendRound(this.#ready, {
      cluster: this.#cluster,
      holdsSeat: holdsSeat(),
      deliveryTimeoutMs,
      isEnlisted: ({ topic, partition }) => enlistment?.isEnlisted(topic, partition) !== false,
    })
    for (const queue of notReady) this.#ready.delete(queue)
    for (const queue of overdue) this.#giveUpWithoutSeat(queue)
    for (const { broker, queues } of requests) void this.#send(broker, queues, identity)
    if (unlisted.length > 0) void this.#enlist(unlisted)
    if (isLeaderMissing) void this.#leaders.find()
    if (retryInMs !== null) {
      this.#cancelRetry?.()
      this.#cancelRetry = this.#cluster.clock.after(retryInMs, () => this.pump())
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
      const byPartition = new Map(answers.map((answer) => [partitionName(answer), answer]))
      for (const { queue, batch } of sent) this.#answered(queue, batch, byPartition.get(partitionName(batch)))
      // Batches that had no room in this request go with the next one.
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
    this.#remove(queue, batch)
    batch.set.sent(batch, error === null ? (answer?.baseOffset ?? -1) : -1)
  }

  #refused(queue: PartitionQueue, batch: Batch, thrown: unknown): void {
    queue.inFlight = false
    // The batch no longer heads the queue, because a reset has dropped it.
    if (queue.head !== batch || this.#closed || !this.#queues.has(queue)) return
    const error = thrown instanceof BrokerError ? thrown.error : ''
    const isTransactional = this.#options.enlistment !== null
    const now = this.#cluster.clock.elapsedMs()
    const isOverdue = now - batch.sinceMs > this.#options.deliveryTimeoutMs
    if (isPassing(thrown)) batch.mayBeWritten = true
    if (!isTransactional && forgotten.has(error) && !isOverdue) {
      // The leader has forgotten this producer, so the log does not contain this batch. The batch is sent again under a new producer id.
      this.#identity.drop(queue.identity)
      queue.unnumber()
      this.#retry(queue, now)
    } else if (tooLarge.has(error) && batch.writer.count > 1) {
      this.#divide(queue)
    } else if (isPassing(thrown) && !isOverdue) {
      this.#retry(queue, now)
      void this.#leaders.find()
    } else {
      if (!batch.mayBeWritten && !isPassing(thrown)) queue.unnumber()
      // Nobody can tell whether the log contains the batch, so the next sequence number is unknown.
      else if (!isTransactional) this.#identity.drop(queue.identity)
      if (tooLarge.has(error)) this.#refusedSizes.add(batch.topic, batch.writer.size)
      this.#remove(queue, batch)
      batch.set.failed(batch, toWaggleError(thrown, `Records cannot be written to partition ${batch.partition} of ${batch.topic}`))
    }
  }

  #giveUpWithoutSeat(queue: PartitionQueue): void {
    if (this.#options.enlistment === null) this.#identity.drop(queue.identity)
    const thrown = new BrokerError('NETWORK', 'the coordinator of the group does not answer')
    this.#giveUp(queue, toWaggleError(thrown, `Records cannot be written to partition ${queue.partition} of ${queue.topic}`))
  }

  #giveUp(queue: PartitionQueue, error: WaggleError): void {
    const batch = queue.head
    if (batch === undefined) return
    this.#remove(queue, batch)
    batch.set.failed(batch, error)
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

  #remove(queue: PartitionQueue, batch: Batch): void {
    queue.inFlight = false
    if (queue.head !== batch || !this.#queues.has(queue)) return
    queue.shift()
    this.#pendingBytes -= batch.writer.size
    // If the batch got no response, a connection may still be sending its buffer. Another batch must not use the buffer then.
    if (!batch.mayBeWritten && this.#spare.length < maxSpare) this.#spare.push(batch.writer.buffer)
    if (queue.head !== undefined) this.#makeReady(queue)
  }

  async #enlist(queues: readonly PartitionQueue[]): Promise<void> {
    for (const queue of queues) queue.isEnlisting = true
    try {
      await this.#options.enlistment?.enlist(queues)
    } catch (thrown) {
      // If one topic is missing, the broker refuses all partitions of the request. All of them are tried again. Once the metadata shows which topic
      // is gone, its partitions are left out.
      if (thrown instanceof BrokerError && thrown.error === 'UNKNOWN_TOPIC_OR_PARTITION') {
        const now = this.#cluster.clock.elapsedMs()
        for (const queue of queues) if (this.#queues.has(queue)) this.#retry(queue, now)
        void this.#leaders.find()
        return
      }
      const error = toWaggleError(thrown, 'Records cannot be written in a transaction')
      for (const queue of queues) {
        if (this.#queues.has(queue)) this.#giveUp(queue, error)
      }
    } finally {
      for (const queue of queues) queue.isEnlisting = false
      this.pump()
    }
  }

  #failAll(error: WaggleError): void {
    const { batches } = this.#queues
    this.reset()
    for (const batch of batches) batch.set.failed(batch, error)
  }

  /**
   * Fails a batch whose topic is missing. If no record waits for the topic any more, its queues are dropped. Otherwise they would accumulate, because
   * records may name any number of topics.
   */
  #giveUpTopic(queue: PartitionQueue, error: WaggleError): void {
    const batch = queue.head
    if (batch === undefined) return
    this.#remove(queue, batch)
    const dropped = this.#queues.forget(queue.topic)
    // The topic may be created again. Its sequence numbers then start again, and with the same producer id a broker would treat new batches as
    // repeats.
    if (this.#options.enlistment === null) for (const { identity } of dropped) this.#identity.drop(identity)
    batch.set.failed(batch, error)
  }
}

function newProducerId(cluster: Cluster): Promise<ProducerIdentity> {
  return cluster.retry('A producer cannot be made', () => cluster.ask((at) => cluster.client.newProducerId(at)))
}

const tooLarge: ReadonlySet<string> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
const forgotten: ReadonlySet<string> = new Set(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_EPOCH'])
const maxSpare = 16
