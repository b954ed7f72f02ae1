import { type Position, placeName, type TopicPartition } from '../../../processor/ports.ts'
import type { Cluster } from './cluster.ts'
import { committedOffsets } from './offsets.ts'

/** The committed positions of one group. Positions that are asked for in one turn share a request. */
export class CommittedPositions {
  readonly #cluster: Cluster
  readonly #group: string
  /** Positions that answer without a request, by partition. */
  #known: ReadonlyMap<string, Position | null> = new Map()
  #asked: { readonly place: TopicPartition; resolve(position: Position | null): void; reject(error: unknown): void }[] = []

  constructor(cluster: Cluster, group: string) {
    this.#cluster = cluster
    this.#group = group
  }

  /** One request for all of these partitions; null where the group has committed none. */
  async read(places: readonly TopicPartition[]): Promise<readonly (Position | null)[]> {
    return committedOffsets(this.#cluster, this.#group, places)
  }

  /** Runs `act`. Meanwhile `of` answers from these positions, and asks the cluster only for others. */
  async knowing(positions: ReadonlyMap<string, Position | null>, act: () => Promise<void>): Promise<void> {
    this.#known = positions
    try {
      await act()
    } finally {
      this.#known = new Map()
    }
  }

  of(place: TopicPartition): Promise<Position | null> {
    const known = this.#known.get(placeName(place))
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
