import type { RecordQueue } from './record-queue.ts'

/**
 * Queues that have records, ordered by the time of their next record. Equal times are ordered exactly as in java.util.PriorityQueue. Kafka Streams
 * uses that class, and the order decides the results of joins.
 */
export class QueueHeap {
  readonly #queues: RecordQueue[] = []

  get first(): RecordQueue | undefined {
    return this.#queues[0]
  }

  offer(queue: RecordQueue): void {
    const heap = this.#queues
    let at = heap.length
    heap.push(queue)
    while (at > 0) {
      const up = (at - 1) >>> 1
      const parent = heap[up]
      if (parent === undefined || timeOf(queue) >= timeOf(parent)) break
      heap[at] = parent
      at = up
    }
    heap[at] = queue
  }

  poll(): RecordQueue | undefined {
    const heap = this.#queues
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let at = 0
    const half = heap.length >>> 1
    while (at < half) {
      let down = 2 * at + 1
      let child = heap[down]
      const right = heap[down + 1]
      if (child !== undefined && right !== undefined && timeOf(child) > timeOf(right)) {
        down++
        child = right
      }
      if (child === undefined || timeOf(last) <= timeOf(child)) break
      heap[at] = child
      at = down
    }
    heap[at] = last
    return first
  }
}

function timeOf(queue: RecordQueue): number {
  return queue.head?.record.timestamp ?? Number.POSITIVE_INFINITY
}
