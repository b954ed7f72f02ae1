import type { Cluster } from './cluster.ts'
import type { Broker } from './connections.ts'
import type { PartitionQueue } from './partition-queue.ts'

/** The result of one pass over the ready queues: the requests to send now, and the reasons why the other queues wait. */
export interface SendRound {
  readonly requests: readonly { readonly broker: Broker; readonly queues: readonly PartitionQueue[] }[]
  /** Queues that have nothing to send, or that are part of a request. */
  readonly notReady: readonly PartitionQueue[]
  /** Queues whose partition is not part of the transaction yet. */
  readonly unlisted: readonly PartitionQueue[]
  /** Queues whose head has waited for the seat longer than `deliveryTimeoutMs`. */
  readonly overdue: readonly PartitionQueue[]
  readonly isLeaderMissing: boolean
  /** The delay until the next round, for queues that wait for nothing but time; null where none does. */
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
      // The batch goes with the next request.
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

/** How often a sender that waits looks whether its seat is held again. */
const seatCheckMs = 20
const maxRequestBytes = 8 * 1024 * 1024
