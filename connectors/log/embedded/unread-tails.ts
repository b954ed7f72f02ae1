import type { Partition } from './partition.ts'

/**
 * Bounds the memory for durable records that a reader has not read yet. The bound holds for all partitions together, so a thousand partitions take no
 * more memory than one partition. A reader that falls behind the records in memory reads from the disk.
 */
export class UnreadTails {
  readonly #maxBytes: number
  readonly #holders = new Set<Partition>()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  update(touched: ReadonlySet<Partition>): void {
    for (const partition of touched) {
      partition.advanceDurableEnd()
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
