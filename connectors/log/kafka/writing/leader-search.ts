import type { WaggleError } from '../../../../topology/waggle-error.ts'
import { BrokerError, missingTopic, toWaggleError } from '../cluster/broker-error.ts'
import { type Cluster, goneTopicMs } from '../cluster/cluster.ts'
import type { PartitionQueue } from './partition-queue.ts'

export interface LeaderSearchOptions {
  readonly cluster: Cluster
  readonly deliveryTimeoutMs: number
  /** The topics of all batches, and the queues whose batches could be sent now. */
  readonly queues: () => { readonly topics: Iterable<string>; readonly ready: readonly PartitionQueue[] }
  /** Called for a queue whose first batch has waited longer than `deliveryTimeoutMs`. */
  readonly onOverdue: (queue: PartitionQueue, error: WaggleError) => void
  /** Called for a queue whose topic no longer exists. */
  readonly onGone: (queue: PartitionQueue, error: WaggleError) => void
  /** Called after each search, whether it succeeded or not. */
  readonly onEnded: () => void
}

/** Finds the leaders of partitions for which batches wait. Only one search runs at a time. */
export class LeaderSearch {
  readonly #options: LeaderSearchOptions
  #isSearching = false
  #failures = 0
  #closed = false

  constructor(options: LeaderSearchOptions) {
    this.#options = options
  }

  close(): void {
    this.#closed = true
  }

  async find(): Promise<void> {
    if (this.#isSearching || this.#closed) return
    this.#isSearching = true
    const { cluster, queues, onEnded } = this.#options
    try {
      await cluster.refresh(queues().topics)
      const missing = queues().ready.filter(({ topic, partition }) => cluster.leaderOf(topic, partition) === null)
      if (missing.length === 0) this.#failures = 0
      else this.#giveUpOverdue(missing)
      if (missing.length > 0) await cluster.backOff(this.#failures++)
    } catch (thrown) {
      this.#giveUpOverdue(queues().ready, thrown)
      await cluster.backOff(this.#failures++)
    } finally {
      this.#isSearching = false
      onEnded()
    }
  }

  /** Fails batches that have waited too long for a leader. `thrown` is the reason why no broker answered; null if a broker has answered. */
  #giveUpOverdue(queues: readonly PartitionQueue[], thrown: unknown = null): void {
    const { cluster, deliveryTimeoutMs, onOverdue, onGone } = this.#options
    const now = cluster.clock.elapsedMs()
    for (const queue of queues) {
      const batch = queue.head
      if (batch === undefined || queue.inFlight) continue
      const reason = thrown === null ? cluster.topicError(queue.topic) : ''
      queue.unknownSinceMs = reason === 'UNKNOWN_TOPIC_OR_PARTITION' ? (queue.unknownSinceMs ?? now) : null
      const isGone = queue.unknownSinceMs !== null && now - queue.unknownSinceMs > goneTopicMs
      if (!isGone && now - batch.sinceMs <= deliveryTimeoutMs) continue
      const partition = `partition ${queue.partition} of ${queue.topic}`
      if (isGone) onGone(queue, missingTopic(queue))
      else if (thrown === null) onOverdue(queue, toWaggleError(new BrokerError(reason), `There is no leader for ${partition}`))
      else onOverdue(queue, toWaggleError(thrown, `Records cannot be written to ${partition}`))
    }
  }
}
