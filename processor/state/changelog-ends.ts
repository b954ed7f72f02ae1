import { type Log, type PartitionOffsets, placeName, type TopicInfo, type TopicPartition } from '../ports.ts'

/** Start and end of one changelog. */
export interface ChangelogEdges extends PartitionOffsets {
  /** The topic's id, as `TopicInfo.id`. */
  readonly topicId: string | null
}

/** The edges of a changelog that does not exist. */
export const noChangelog: ChangelogEdges = { start: 0, end: 0, topicId: null }

/** Starts and ends of changelogs. The log is asked once for a topic, however many of its partitions are wanted at that moment. */
export class ChangelogEnds {
  readonly #log: Log
  #asked = new Map<string, Promise<TopicInfo | null>>()
  /** Edges as of the last request. */
  readonly #known = new Map<string, ChangelogEdges>()

  constructor(log: Log) {
    this.#log = log
  }

  /** Edges as they are now. A topic that does not exist is empty. */
  async now(places: readonly TopicPartition[]): Promise<readonly ChangelogEdges[]> {
    const infos = await Promise.all(places.map(({ topic }) => this.#ask(topic)))
    return places.map((place, at) => {
      const offsets = { ...(infos[at]?.offsets[place.partition] ?? noChangelog), topicId: infos[at]?.id ?? null }
      this.#known.set(placeName(place), offsets)
      return offsets
    })
  }

  known(place: TopicPartition): ChangelogEdges | null {
    return this.#known.get(placeName(place)) ?? null
  }

  #ask(topic: string): Promise<TopicInfo | null> {
    const asked = this.#asked.get(topic)
    if (asked !== undefined) return asked
    // Requests made before the call goes out share it. A later request starts a new call, because records may have come since.
    const asking = new Promise<void>((resolve) => queueMicrotask(resolve)).then(() => {
      this.#asked.delete(topic)
      return this.#log.topic(topic)
    })
    this.#asked.set(topic, asking)
    return asking
  }
}
