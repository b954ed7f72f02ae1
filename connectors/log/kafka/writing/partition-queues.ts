import type { TopicPartition } from '../../../../processor/ports.ts'
import type { Batch } from '../wire/batch.ts'
import { PartitionQueue } from './partition-queue.ts'

/** The queues of one sender, one for each partition. */
export class PartitionQueues {
  readonly #maxBatchBytes: number
  #byTopic = new Map<string, PartitionQueue[]>()

  constructor(maxBatchBytes: number) {
    this.#maxBatchBytes = maxBatchBytes
  }

  get topics(): Iterable<string> {
    return this.#byTopic.keys()
  }

  /** The queue of this partition. It is created at the first call. */
  of(place: TopicPartition): PartitionQueue {
    let queues = this.#byTopic.get(place.topic)
    if (queues === undefined) {
      queues = []
      this.#byTopic.set(place.topic, queues)
    }
    const there = queues[place.partition]
    if (there !== undefined) return there
    const made = new PartitionQueue(place, this.#maxBatchBytes)
    queues[place.partition] = made
    return made
  }

  /** False after `clear` or `forget` has dropped the queue. */
  has(queue: PartitionQueue): boolean {
    return this.#byTopic.get(queue.topic)?.[queue.partition] === queue
  }

  /** The queues that have a batch. */
  *filled(): IterableIterator<PartitionQueue> {
    for (const queues of this.#byTopic.values()) for (const queue of queues) if (queue?.head !== undefined) yield queue
  }

  get batches(): readonly Batch[] {
    return [...this.filled()].flatMap(({ batches }) => batches)
  }

  clear(): void {
    this.#byTopic = new Map()
  }

  /** Drops a topic's queues and returns them. If a record still waits in one of these queues, nothing is dropped. */
  forget(topic: string): readonly PartitionQueue[] {
    const queues = this.#byTopic.get(topic)
    if (queues === undefined || queues.some((queue) => queue?.head !== undefined)) return []
    this.#byTopic.delete(topic)
    return queues.filter((queue) => queue !== undefined)
  }
}
