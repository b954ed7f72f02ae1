import type { Cluster } from './cluster.ts'

/** For the leader of a group: notices that topics which its members read have new partitions. */
export class PartitionCounts {
  readonly #cluster: Cluster
  #topics: ReadonlySet<string> = new Set()
  #counts = ''
  #lastCheckMs = 0

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Asks for the partitions of these topics, and remembers how many there are. */
  async watch(topics: ReadonlySet<string>): Promise<void> {
    await this.#cluster.refresh(topics)
    this.#topics = topics
    this.#counts = this.#count()
  }

  /** The next `haveChanged` asks the cluster only after `checkEveryMs`. */
  postponeCheck(): void {
    this.#lastCheckMs = this.#cluster.clock.elapsedMs()
  }

  /** True where a topic has another number of partitions than `watch` found. Asks the cluster at most every `checkEveryMs`; false in between. */
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
