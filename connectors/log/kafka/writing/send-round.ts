import type { Cluster } from '../cluster/cluster.ts'
import type { Broker } from '../cluster/connections.ts'
import type { PartitionQueue } from './partition-queue.ts'

/** The result of one pass over the ready queues: the requests to send now, and lists of the queues that wait for different reasons. */
export interface SendRound {
  readonly requests: readonly { readonly broker: Broker; readonly queues: readonly PartitionQueue[] }[]
  /** Queues with nothing to send, or whose batch is in one of the requests. */
  readonly notReady: readonly PartitionQueue[]
  /** Queues whose partition is not in the transaction yet. */
  readonly unlisted: readonly PartitionQueue[]
  /** Queues whose head has waited for the seat longer than `deliveryTimeoutMs`. */
  readonly overdue: readonly PartitionQueue[]
  readonly isLeaderMissing: boolean
  /** The time until the next round, if a queue waits until a certain time; else null. */
  readonly retryInMs: number | null
}

export interface SendRoundOptions {
  readonly cluster: Cluster
  readonly holdsSeat: boolean
  readonly deliveryTimeoutMs: number
  readonly isEnlisted: (queue: PartitionQueue) => boolean
}

export function sendRound(ready: Iterable<PartitionQueue>, { cluster, holdsSeat, deliveryTimeoutMs, isEnlisted }: SendRoundOptions): SendRound {
  const now = cluster.clock.elapsedMs()
  const byBroker = new Map<string, { readonly broker: Broker; readonly queues: PartitionQueue[]; bytes: number }>()
  const notReady: PartitionQueue[] = []
  const unlisted: PartitionQueue[] = []
  const overdue: PartitionQueue[] = []
  let retryAtMs = Number.POSITIVE_INFINITY
  let isLeaderMissing = false
  for (const queue of ready) {
    const batch = queue.head
    if (batch === undefined || queue.inFlight) notReady.push(queue)
    else if (!batch.set.maySend || queue.isEnlisting) continue
    else if (!holdsSeat) {
      if (now - batch.sinceMs > deliveryTimeoutMs) overdue.push(queue)
      else retryAtMs = now + seatCheckMs
    } else if (queue.retryAtMs > now) retryAtMs = Math.min(retryAtMs, queue.retryAtMs)
    else {
      const broker = cluster.leaderOf(queue.topic, queue.partition)
      if (broker === null) {
        isLeaderMissing = true
        continue
      }
      if (!isEnlisted(queue)) {
        unlisted.push(queue)
        continue
      }
      const name = `${broker.host}:${broker.port}`
      const request = byBroker.get(name) ?? { broker, queues: [], bytes: 0 }
      byBroker.set(name, request)
      // The request is full. The batch goes with a later request.
      if (request.bytes > 0 && request.bytes + batch.writer.size > maxRequestBytes) continue
      request.bytes += batch.writer.size
      request.queues.push(queue)
      notReady.push(queue)
    }
  }
  return {
    requests: [...byBroker.values()],
    notReady,
    unlisted,
    overdue,
    isLeaderMissing,
    retryInMs: retryAtMs < Number.POSITIVE_INFINITY ? Math.max(1, retryAtMs - now) : null,
  }
}

/** The interval at which a sender without a seat checks again. */
const seatCheckMs = 20
const maxRequestBytes = 8 * 1024 * 1024
