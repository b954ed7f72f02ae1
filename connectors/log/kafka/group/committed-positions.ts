import { type Position, partitionName, type TopicPartition } from '../../../../processor/ports.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { committedOffsets } from '../cluster/offsets.ts'

/** The committed positions of one group. Lookups in the same turn of the event loop share one request. */
export class CommittedPositions {
  readonly #cluster: Cluster
  readonly #group: string
  /** The positions that `knowing` has set, by partition. They need no request. */
  #known: ReadonlyMap<string, Position | null> = new Map()
  #asked: { readonly place: TopicPartition; resolve(position: Position | null): void; reject(error: unknown): void }[] = []

  constructor(cluster: Cluster, group: string) {
    this.#cluster = cluster
    this.#group = group
  }

  /** Reads the committed positions of these partitions in one request; null for a partition without a position. */
  async read(places: readonly TopicPartition[]): Promise<readonly (Position | null)[]> {
    return committedOffsets(this.#cluster, this.#group, places)
  }

  /** Runs `act` with positions that are already known. While it runs, `of` asks the cluster only for other partitions. */
  async knowing(positions: ReadonlyMap<string, Position | null>, act: () => Promise<void>): Promise<void> {
    this.#known = positions
    try {
      await act()
    } finally {
      this.#known = new Map()
    }
  }

  of(place: TopicPartition): Promise<Position | null> {
    const known = this.#known.get(partitionName(place))
    if (known !== undefined) return Promise.resolve(known)
    return new Promise((resolve, reject) => {
      this.#asked.push({ place, resolve, reject })
      if (this.#asked.length === 1) queueMicrotask(() => void this.#answer())
    })
  }

  async #answer(): Promise<void> {
    const asked = this.#asked.splice(0)
    try {
      const positions = await this.read(asked.map(({ place }) => place))
      asked.forEach(({ resolve }, at) => {
        resolve(positions[at] ?? null)
      })
    } catch (thrown) {
      for (const { reject } of asked) reject(thrown)
    }
  }
}
