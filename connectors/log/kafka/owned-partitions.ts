import { partitionName, type TopicPartition } from '../../../processor/ports.ts'
import type { FetchedPartition } from './fetched-partition.ts'

export interface OwnedPartition extends TopicPartition {
  readonly fetched: FetchedPartition
  paused: boolean
}

/** The partitions that a group's member reads, in the order of polling. */
export class OwnedPartitions {
  readonly #byPartition = new Map<string, OwnedPartition>()
  readonly #byFetched = new Map<FetchedPartition, OwnedPartition>()
  #order: readonly OwnedPartition[] = []
  #first = 0

  get size(): number {
    return this.#byPartition.size
  }

  get all(): readonly OwnedPartition[] {
    return this.#order
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
    }
    this.#order = [...this.#byPartition.values()]
  }

  delete(owned: readonly OwnedPartition[]): void {
    for (const one of owned) {
      this.#byPartition.delete(partitionName(one))
      this.#byFetched.delete(one.fetched)
    }
    this.#order = [...this.#byPartition.values()]
  }

  clear(): void {
    this.delete(this.#order)
  }

  /** All partitions. Each call starts with the next one, so that no partition takes every poll for itself. */
  *inTurn(): IterableIterator<OwnedPartition> {
    const order = this.#order
    const first = this.#first
    this.#first = order.length === 0 ? 0 : (first + 1) % order.length
    for (let step = 0; step < order.length; step++) {
      const owned = order[(first + step) % order.length]
      if (owned !== undefined) yield owned
    }
  }
}
