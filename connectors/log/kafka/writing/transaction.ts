import { addOffsetsToTxnV3, addPartitionsToTxnV3, endTxnV3, initProducerIdV4, txnOffsetCommitV3 } from '@platformatic/kafka'
import { partitionName } from '../../../../processor/ports.ts'
import { BrokerError, errorName, isCoordinatorMoved, isPassing } from '../cluster/broker-error.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Broker, Connections, Lane } from '../cluster/connections.ts'
import { type CommittedPosition, expectAllTaken, type GroupMembership, offsetTopics } from '../cluster/offsets.ts'
import type { ProducerIdentity } from '../wire/batch.ts'
import type { Enlistment } from './idempotent-sender.ts'

export interface TransactionOptions {
  readonly cluster: Cluster
  readonly connections: Connections
  readonly transactionalId: string
  /** Brokers abort a transaction that stays open for longer than this. */
  readonly timeoutMs: number
}

/** The transactions of one producer. They run one after the other (KIP-98, KIP-447). */
export class Transaction implements Enlistment {
  readonly transactionalId: string
  readonly #cluster: Cluster
  readonly #connections: Connections
  readonly #timeoutMs: number
  readonly #lane: Lane
  readonly #partitions = new Set<string>()
  readonly #groups = new Set<string>()
  #identity: ProducerIdentity | null = null
  /** The number of aborts. A response is ignored if its request was sent before the last abort. */
  #aborts = 0
  #identifying: Promise<ProducerIdentity> | null = null

  constructor({ cluster, connections, transactionalId, timeoutMs }: TransactionOptions) {
    this.#cluster = cluster
    this.#connections = connections
    this.transactionalId = transactionalId
    this.#timeoutMs = timeoutMs
    this.#lane = { name: `${transactionalId} transaction`, requestTimeoutMs: 15_000 }
  }

  /**
   * Gets the producer's id and epoch. The first call takes over the transactional id, and aborts a transaction that is open under it. A later call,
   * after an abort, fails if another producer has taken the transactional id over.
   */
  async identify(): Promise<ProducerIdentity> {
    if (this.#identity !== null) return this.#identity
    // A second request would fence the first request, so only one is open at a time.
    this.#identifying ??= this.#initialise({ producerId: -1n, epoch: -1 }).finally(() => {
      this.#identifying = null
    })
    this.#identity = await this.#identifying
    return this.#identity
  }

  isEnlisted(topic: string, partition: number): boolean {
    return this.#partitions.has(partitionName({ topic, partition }))
  }

  async enlist(places: readonly { readonly topic: string; readonly partition: number }[]): Promise<void> {
    const { producerId, epoch } = await this.identify()
    const aborts = this.#aborts
    const topics = [...Map.groupBy(places, ({ topic }) => topic)].map(([name, ones]) => ({
      name,
      partitions: ones.map(({ partition }) => partition),
    }))
    let isGone = false
    await this.#ask(async (broker) => {
      const transaction = { transactionalId: this.transactionalId, producerId, producerEpoch: epoch, verifyOnly: false, topics }
      const { resultsByTransaction } = await this.#connections.call(this.#lane, broker, addPartitionsToTxnV3.api, [transaction])
      const codes = resultsByTransaction.flatMap(({ topicResults }) => topicResults.flatMap(({ resultsByPartition }) => resultsByPartition))
      // A broker adds all partitions or none. If one partition is refused, the others are reported as not attempted.
      const refused = codes
        .filter(({ partitionErrorCode }) => partitionErrorCode !== 0)
        .map(({ partitionErrorCode }) => errorName(partitionErrorCode))
      const error = refused.find((one) => one !== 'OPERATION_NOT_ATTEMPTED') ?? refused[0]
      isGone = error === 'UNKNOWN_TOPIC_OR_PARTITION'
      return isGone ? null : (error ?? null)
    })
    // The sender catches this error and tries again, because the sender knows how long a topic may be missing.
    if (isGone) throw new BrokerError('UNKNOWN_TOPIC_OR_PARTITION')
    if (aborts === this.#aborts) for (const place of places) this.#partitions.add(partitionName(place))
  }

  /** Adds a consumer group to the transaction. Only then can the group's positions be sent. */
  async enlistGroup(group: string): Promise<void> {
    if (this.#groups.has(group)) return
    const { producerId, epoch } = await this.identify()
    const aborts = this.#aborts
    await this.#ask(async (broker) =>
      errorOf(await this.#connections.call(this.#lane, broker, addOffsetsToTxnV3.api, this.transactionalId, producerId, epoch, group)),
    )
    if (aborts === this.#aborts) this.#groups.add(group)
  }

  /** Adds the positions of a group to the transaction. The broker checks that a current member of the group sends them. */
  async sendOffsets(group: string, member: GroupMembership, positions: readonly CommittedPosition[]): Promise<void> {
    await this.enlistGroup(group)
    const { producerId, epoch } = await this.identify()
    const connections = this.#connections
    const { memberId, generation, instanceId } = member
    await this.#retried('group', group, async (broker) => {
      const { topics } = await connections.call(
        this.#lane,
        broker,
        txnOffsetCommitV3.api,
        this.transactionalId,
        group,
        producerId,
        epoch,
        generation,
        memberId,
        instanceId,
        offsetTopics(positions),
      )
      expectAllTaken(topics)
    })
  }

  async end(): Promise<void> {
    if (!this.#isOpen || this.#identity === null) return
    await this.#endAs(this.#identity, { isCommitted: true })
    this.#partitions.clear()
    this.#groups.clear()
  }

  /** Aborts the transaction, and gets a new epoch. Brokers then refuse requests with the old epoch that are still on their way. */
  async abort(): Promise<void> {
    const isOpen = this.#isOpen
    this.#forget()
    if (this.#identity === null) return
    // The transaction must end before the epoch changes. Brokers before KIP-890 mistake a new epoch within a transaction for another producer.
    if (isOpen) await this.#endAs(this.#identity, { isCommitted: false }).catch(() => {})
    this.#identity = await this.#initialise(this.#identity)
    this.#forget()
  }

  async close(): Promise<void> {
    // An open transaction would block readers until its timeout, so it is aborted.
    if (this.#isOpen && this.#identity !== null) await this.#endAs(this.#identity, { isCommitted: false }).catch(() => {})
    await this.#connections.closeLanes((name) => name === this.#lane.name)
  }

  #forget(): void {
    this.#aborts++
    this.#partitions.clear()
    this.#groups.clear()
  }

  get #isOpen(): boolean {
    return this.#partitions.size + this.#groups.size > 0
  }

  #endAs({ producerId, epoch }: ProducerIdentity, { isCommitted }: { readonly isCommitted: boolean }): Promise<void> {
    return this.#ask(async (broker) =>
      errorOf(await this.#connections.call(this.#lane, broker, endTxnV3.api, this.transactionalId, producerId, epoch, isCommitted)),
    )
  }

  async #initialise({ producerId, epoch }: ProducerIdentity): Promise<ProducerIdentity> {
    let made: ProducerIdentity | null = null
    await this.#ask(async (broker) => {
      const answer = await this.#connections.call(this.#lane, broker, initProducerIdV4.api, this.transactionalId, this.#timeoutMs, producerId, epoch)
      made = { producerId: answer.producerId, epoch: answer.producerEpoch }
      return errorOf(answer)
    })
    if (made === null) throw new BrokerError('NETWORK')
    return made
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#cluster.clock.after(delayMs, resolve))
  }

  /** Sends a request to the transaction's coordinator. `work` returns the name of Kafka's error, or null. */
  #ask(work: (broker: Broker) => Promise<string | null>): Promise<void> {
    return this.#retried('transaction', this.transactionalId, async (broker) => {
      const error = await work(broker)
      if (error !== null) throw new BrokerError(error)
    })
  }

  async #retried(kind: 'group' | 'transaction', key: string, work: (broker: Broker) => Promise<void>): Promise<void> {
    const end = this.#cluster.clock.elapsedMs() + giveUpMs
    for (let attempt = 0; ; attempt++) {
      try {
        return await work(await this.#cluster.coordinator(kind, key))
      } catch (thrown) {
        if (!isPassing(thrown) || this.#cluster.isClosed || this.#cluster.clock.elapsedMs() > end) throw thrown
        const { error } = thrown
        // A broker is still writing the markers of the last transaction, or verifying this transaction (KIP-890). Each of these usually takes a
        // millisecond.
        const isBrief = error === 'CONCURRENT_TRANSACTIONS' || (error === 'COORDINATOR_LOAD_IN_PROGRESS' && attempt < shortTries)
        if (isCoordinatorMoved(error) && !isBrief) this.#cluster.forgetCoordinator(kind, key)
        if (isBrief) await this.#pause(Math.min(maxConcurrentMs, 1 + attempt))
        else await this.#cluster.backOff(attempt)
      }
    }
  }
}

function errorOf({ errorCode }: { readonly errorCode: number }): string | null {
  return errorCode === 0 ? null : errorName(errorCode)
}

const maxConcurrentMs = 20
const shortTries = 8
const giveUpMs = 60_000
