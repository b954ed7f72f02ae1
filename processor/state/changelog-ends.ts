import { type Log, type PartitionOffsets, partitionName, type TopicInfo, type TopicPartition } from '../ports.ts'

export interface ChangelogEdges extends PartitionOffsets {
  readonly topicId: string | null
}

export const noChangelog: ChangelogEdges = { start: 0, end: 0, topicId: null }

/** Starts and ends of changelogs. Requests for several partitions of a topic share one call to the log. */
export class ChangelogEnds {
  readonly #log: Log
  #asked = new Map<string, Promise<TopicInfo | null>>()
  /** Edges as of the last request. */
  readonly #known = new Map<string, ChangelogEdges>()

  constructor(log: Log) {
    this.#log = log
  }

  /** The current edges. A missing topic counts as empty. */
  async now(places: readonly TopicPartition[]): Promise<readonly ChangelogEdges[]> {
    const infos = await Promise.all(places.map(({ topic }) => this.#ask(topic)))
    return places.map((place, at) => {
      const offsets = { ...(infos[at]?.offsets[place.partition] ?? noChangelog), topicId: infos[at]?.id ?? null }
      this.#known.set(partitionName(place), offsets)
      return offsets
    })
  }

  known(place: TopicPartition): ChangelogEdges | null {
    return this.#known.get(partitionName(place)) ?? null
  }

  #ask(topic: string): Promise<TopicInfo | null> {
    const asked = this.#asked.get(topic)
    if (asked !== undefined) return asked
    // Requests in this turn share the call. A later request starts a new call, because there may be new records.
    const asking = new Promise<void>((resolve) => queueMicrotask(resolve)).then(() => {
      this.#asked.delete(topic)
      return this.#log.topic(topic)
    })
    this.#asked.set(topic, asking)
    return asking
  }
}
