import { placeName, type TopicPartition } from '../../../processor/ports.ts'
import type { FetchedPartition } from './fetched-partition.ts'

export interface OwnedPartition extends TopicPartition {
  readonly fetched: FetchedPartition
  paused: boolean
}

/** The partitions that a group's member reads, in the order of polling. */
export class OwnedPartitions {
  readonly #byPlace = new Map<string, OwnedPartition>()
  readonly #byFetched = new Map<FetchedPartition, OwnedPartition>()
  #order: readonly OwnedPartition[] = []
  #first = 0

  get size(): number {
    return this.#byPlace.size
  }

  get all(): readonly OwnedPartition[] {
    return this.#order
  }

  has(place: TopicPartition): boolean {
    return this.#byPlace.has(placeName(place))
  }

  get(place: TopicPartition): OwnedPartition | undefined {
    return this.#byPlace.get(placeName(place))
  }

  ofFetched(fetched: FetchedPartition): OwnedPartition | undefined {
    return this.#byFetched.get(fetched)
  }

  add(owned: readonly OwnedPartition[]): void {
    for (const one of owned) {
      this.#byPlace.set(placeName(one), one)
      this.#byFetched.set(one.fetched, one)
    }
    this.#order = [...this.#byPlace.values()]
  }

  delete(owned: readonly OwnedPartition[]): void {
    for (const one of owned) {
      this.#byPlace.delete(placeName(one))
      this.#byFetched.delete(one.fetched)
    }
    this.#order = [...this.#byPlace.values()]
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
