import type { CommitPoint, CommitReceipt, ProducerRecord, TaskProducer } from '../../../../processor/ports.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'
import { BrokerError, isCoordinatorMoved, toWaggleError } from '../cluster/broker-error.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { fenced } from '../cluster/fencing.ts'
import { type CommittedPosition, commitOffsets, type GroupMembership } from '../cluster/offsets.ts'
import type { GroupConsumer } from '../group/group-consumer.ts'
import { byMember, commitAsMember } from '../group/group-positions.ts'
import { CommitBatches } from './commit-batches.ts'
import { IdempotentSender } from './idempotent-sender.ts'
import type { Transaction } from './transaction.ts'

export interface KafkaTaskProducerOptions {
  readonly cluster: Cluster
  readonly name: string
  readonly group: string
  readonly lingerMs: number
  readonly maxBatchBytes: number
  readonly deliveryTimeoutMs: number
  /** The transaction of this producer. Null for at_least_once: records are sent first, then positions. */
  readonly transaction: Transaction | null
  /** The consumers of the tasks. Without transactions, records wait while one of these consumers may have lost its seat. */
  readonly taskConsumers: () => readonly GroupConsumer[]
  readonly consumers: (group: string) => readonly GroupConsumer[]
  readonly onClosed: (producer: KafkaTaskProducer) => void
}

/**
 * Sends records as they are appended. A commit waits until brokers have stored the records, and then commits the positions. With a transaction,
 * records and positions take effect together.
 */
export class KafkaTaskProducer implements TaskProducer {
  readonly #options: KafkaTaskProducerOptions
  readonly #sender: IdempotentSender
  readonly #transaction: Transaction | null
  /** The records of the running commits, in order. The last element takes the new records. */
  #commits: CommitBatches[] = [new CommitBatches({ maySend: true })]
  #last: Promise<unknown> = Promise.resolve()
  /** The error of a failed commit. Later commits fail with the same error until `abort`. */
  #broken: WaggleError | null = null
  #closing: Promise<void> | null = null

  constructor(options: KafkaTaskProducerOptions) {
    const { transaction } = options
    this.#options = options
    this.#transaction = transaction
    const holdsSeat = () => transaction !== null || options.taskConsumers().every((consumer) => consumer.holdsSeat)
    this.#sender = new IdempotentSender({ ...options, enlistment: transaction, holdsSeat })
  }

  get pendingBytes(): number {
    return this.#sender.pendingBytes
  }

  append(record: ProducerRecord): void {
    // After a failed commit, a record belongs to no commit and is ignored.
    if (this.#broken !== null) return
    const open = this.#open
    open.add(this.#sender.append(record, open))
  }

  commit(point: CommitPoint): Promise<CommitReceipt> {
    if (this.#commits.length > maxWaitingCommits) return Promise.reject(tooMany(this.#options.group))
    if (this.#hasLost) this.#drop(lost(this.#options.group))
    const batches = this.#open
    this.#commits.push(new CommitBatches({ maySend: this.#transaction === null }))
    const committed = this.#last.then(() => this.#commit(batches, point))
    this.#last = committed.catch(() => {})
    this.#sender.flush()
    return committed
  }

  /** Fails running commits whose tasks may have moved to another process. The callers of these commits then need not wait for the next poll. */
  fenceLostTasks(): void {
    if (this.#hasLost && (this.#commits.length > 1 || !this.#open.isEmpty)) this.#drop(lost(this.#options.group))
  }

  get #hasLost(): boolean {
    return this.#options.taskConsumers().some(({ hasLost }) => hasLost)
  }

  async abort(): Promise<void> {
    // A producer that is fenced closes by itself, so there is nothing to abort.
    if (this.#closing !== null) return this.#closing
    this.#drop(dropped())
    await this.#last
    // The last commit was fenced, so this producer closes. Its next commit fails, and another producer takes its place.
    if (this.#closing !== null) {
      this.#broken = lost(this.#options.group)
      return this.#closing
    }
    try {
      await this.#transaction?.abort()
    } catch (thrown) {
      // Commits fail until an abort succeeds. If the transaction has timed out, brokers fence its producer.
      this.#broken = toWaggleError(thrown, `What ${this.#options.group} had written cannot be taken back`)
      throw this.#broken
    }
    this.#broken = null
    this.#commits = [new CommitBatches({ maySend: true })]
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#options.onClosed(this)
    this.#drop(dropped())
    await this.#last
    await this.#sender.close()
    await this.#transaction?.close()
  }

  get #open(): CommitBatches {
    const open = this.#commits.at(-1)
    if (open === undefined) throw new Error('a task producer always has the batches of a commit that is still open')
    return open
  }

  async #commit(batches: CommitBatches, point: CommitPoint): Promise<CommitReceipt> {
    try {
      if (this.#broken !== null) throw this.#broken
      const receipt = this.#transaction === null ? await this.#recordsFirst(batches, point) : await this.#together(batches, point, this.#transaction)
      this.#commits.shift()
      const [next] = this.#commits
      if (next !== undefined) next.maySend = true
      this.#sender.pump()
      return receipt
    } catch (thrown) {
      const error = toWaggleError(thrown, `A commit of ${this.#options.group} failed`)
      this.#broken ??= error
      this.#drop(error)
      // The stream thread makes another producer, so this producer closes its connections.
      if (error.code === 'WAGGLE_FENCED') void this.close()
      throw error
    }
  }

  async #recordsFirst(batches: CommitBatches, point: CommitPoint): Promise<CommitReceipt> {
    const receipt = await batches.acknowledged()
    const parts = byMember(point.positions, this.#memberOptions())
    for (const part of parts) await commitAsMember(part, (member) => this.#commitPositions(part.group, member, part.positions))
    return receipt
  }

  /**
   * Sends records, and adds the groups to the transaction at the same time. Positions wait until the records are acknowledged. Brokers verify a
   * transaction before they take its records or positions (KIP-890), and refuse to verify one transaction twice at once.
   */
  async #together(batches: CommitBatches, point: CommitPoint, transaction: Transaction): Promise<CommitReceipt> {
    if (batches.isEmpty && point.positions.length === 0) return { ends: [] }
    const parts = byMember(point.positions, this.#memberOptions())
    const [receipt] = await Promise.all([
      batches.acknowledged(),
      (async () => {
        for (const { group } of parts) await transaction.enlistGroup(group)
      })(),
    ])
    for (const part of parts) await commitAsMember(part, (member) => transaction.sendOffsets(part.group, member, part.positions))
    await transaction.end()
    return receipt
  }

  async #commitPositions(group: string, member: GroupMembership, positions: readonly CommittedPosition[]): Promise<void> {
    const { cluster } = this.#options
    for (let attempt = 0; ; attempt++) {
      try {
        await cluster.withCoordinator('group', group, (broker) => commitOffsets(cluster, { broker, group, member }, positions))
        return
      } catch (thrown) {
        if (this.#broken !== null) throw this.#broken
        const isMoved = thrown instanceof BrokerError && (isCoordinatorMoved(thrown.error) || thrown.error === 'REQUEST_TIMED_OUT')
        if (!isMoved || attempt > maxAttempts || cluster.isClosed) throw thrown
        await cluster.backOff(attempt)
      }
    }
  }

  /** Drops waiting records, and rejects the commits that contain such records. */
  #drop(error: WaggleError): void {
    this.#sender.reset()
    for (const batches of this.#commits) batches.fail(error)
    this.#broken ??= error
  }

  #memberOptions() {
    return { ownGroup: this.#options.group, consumers: this.#options.consumers }
  }
}

function lost(group: string): WaggleError {
  return fenced(`Another member of ${group} may have the partitions that this process read`)
}

function dropped(): WaggleError {
  return new WaggleError('WAGGLE_COMMIT_DROPPED', {
    message: 'This task producer went back to its last commit',
    next: 'Nothing: the records are done again.',
  })
}

function tooMany(group: string): WaggleError {
  return new WaggleError('WAGGLE_OVERLOADED', {
    message: `${maxWaitingCommits} commits of ${group} wait for the brokers`,
    next: 'Wait until one of these commits ends. The next commit then takes the records that were appended since.',
  })
}

const maxAttempts = 60
const maxWaitingCommits = 1000
