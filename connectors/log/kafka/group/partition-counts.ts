import type { Cluster } from '../cluster/cluster.ts'

/** Detects for the leader of a group that a topic of its members has new partitions. */
export class PartitionCounts {
  readonly #cluster: Cluster
  #topics: ReadonlySet<string> = new Set()
  #counts = ''
  #lastCheckMs = 0

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Reads the number of partitions of each of these topics, and remembers these numbers. */
  async watch(topics: ReadonlySet<string>): Promise<void> {
    await this.#cluster.refresh(topics)
    this.#topics = topics
    this.#counts = this.#count()
  }

  /** Makes the next `haveChanged` wait for `checkEveryMs` before it asks the cluster. */
  postponeCheck(): void {
    this.#lastCheckMs = this.#cluster.clock.elapsedMs()
  }

  /** True if a topic's number of partitions has changed since `watch`. Asks the cluster at most once in `checkEveryMs`; false in between. */
  async haveChanged(): Promise<boolean> {
    if (this.#cluster.clock.elapsedMs() - this.#lastCheckMs < checkEveryMs) return false
    this.postponeCheck()
    await this.#cluster.refresh(this.#topics)
    return this.#count() !== this.#counts
  }

  #count(): string {
    return [...this.#topics]
      .sort()
      .map((topic) => `${topic} ${this.#cluster.lastPartitionsOf(topic)}`)
      .join('\n')
  }
}

const checkEveryMs = 5000
