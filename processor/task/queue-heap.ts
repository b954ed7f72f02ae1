import { Heap } from '../heap.ts'
import type { RecordQueue } from './record-queue.ts'

/**
 * Queues that have records, ordered by the time of their next record. Kafka Streams keeps its queues in a java.util.PriorityQueue. The order of equal
 * times decides the results of joins, so this heap keeps the same order.
 */
export class QueueHeap extends Heap<RecordQueue> {
  constructor() {
    super((one, other) => {
      const time = timeOf(one)
      const otherTime = timeOf(other)
      return time < otherTime ? -1 : time > otherTime ? 1 : 0
    })
  }
}

function timeOf(queue: RecordQueue): number {
  return queue.head?.record.timestamp ?? Number.POSITIVE_INFINITY
}
