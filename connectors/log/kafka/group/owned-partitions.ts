import { partitionName, type TopicPartition } from '../../../../processor/ports.ts'
import type { FetchedPartition } from '../reading/fetched-partition.ts'

export interface OwnedPartition extends TopicPartition {
  readonly fetched: FetchedPartition
  paused: boolean
}

/** The partitions that a group's member reads. A partition is ready if it has fetched records and is not paused. */
export class OwnedPartitions {
  readonly #byPartition = new Map<string, OwnedPartition>()
  readonly #byFetched = new Map<FetchedPartition, OwnedPartition>()
  readonly #ready = new Set<OwnedPartition>()

  get size(): number {
    return this.#byPartition.size
  }

  get all(): readonly OwnedPartition[] {
    return [...this.#byPartition.values()]
  }

  has(place: TopicPartition): boolean {
    return this.#byPartition.has(partitionName(place))
  }

  get(place: TopicPartition): OwnedPartition | undefined {
    return this.#byPartition.get(partitionName(place))
  }

  ofFetched(fetched: FetchedPartition): OwnedPartition | undefined {
    return this.#byFetched.get(fetched)
  }

  add(owned: readonly OwnedPartition[]): void {
    for (const one of owned) {
      this.#byPartition.set(partitionName(one), one)
      this.#byFetched.set(one.fetched, one)
      this.look(one)
    }
  }

  delete(owned: readonly OwnedPartition[]): void {
    for (const one of owned) {
      this.#byPartition.delete(partitionName(one))
      this.#byFetched.delete(one.fetched)
      this.#ready.delete(one)
    }
  }

  clear(): void {
    this.delete(this.all)
  }

  /** Must be called after records were fetched, and after `paused` has changed. True if the partition is ready. */
  look(owned: OwnedPartition): boolean {
    const isReady = !owned.paused && !owned.fetched.isEmpty
    if (isReady) this.#ready.add(owned)
    else this.#ready.delete(owned)
    return isReady
  }

  /**
   * The ready partitions, one after the other. A partition that still has records afterwards goes to the end of the queue, so that no partition
   * dominates the polls.
   */
  *queued(): IterableIterator<OwnedPartition> {
    const given: OwnedPartition[] = []
    try {
      for (const owned of this.#ready) {
        this.#ready.delete(owned)
        given.push(owned)
        yield owned
      }
    } finally {
      for (const owned of given) this.look(owned)
    }
  }
}
