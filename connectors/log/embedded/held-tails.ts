import type { Partition } from './partition.ts'

/**
 * The durable records that stay in memory for readers that have not read them. All partitions share one bound, so a slow reader costs the same memory
 * with one partition as with a thousand. It reads later records from the disk.
 */
export class HeldTails {
  readonly #maxBytes: number
  readonly #holders = new Set<Partition>()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Called when records of these partitions have become durable. */
  settle(touched: ReadonlySet<Partition>): void {
    for (const partition of touched) {
      partition.settle()
      if (partition.holdsDurable) this.#holders.add(partition)
      else this.#holders.delete(partition)
    }
    const share = this.#maxBytes / this.#holders.size
    for (const partition of this.#holders) {
      partition.letGo(share)
      if (!partition.holdsDurable) this.#holders.delete(partition)
    }
  }
}
