import { type Log, type PartitionOffsets, placeName, type TopicInfo, type TopicPartition } from '../ports.ts'

/** Where one lies. */
export interface ChangelogEdges extends PartitionOffsets {
  /** See `TopicInfo.id`. */
  readonly topicId: string | null
}

/** Of one that is not there. */
export const noChangelog: ChangelogEdges = { start: 0, end: 0, topicId: null }

/** Where changelogs start and end, asked for a topic at a time, however many of its partitions are asked for at once. */
export class ChangelogEnds {
  readonly #log: Log
  #asked = new Map<string, Promise<TopicInfo | null>>()
  /** As of the last time that they were asked for. */
  readonly #known = new Map<string, ChangelogEdges>()

  constructor(log: Log) {
    this.#log = log
  }

  /** As they are now. What does not exist has nothing. */
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
    // Those who ask before it goes out share it; who asks later wants to know what has come since.
    const asking = new Promise<void>((resolve) => queueMicrotask(resolve)).then(() => {
      this.#asked.delete(topic)
      return this.#log.topic(topic)
    })
    this.#asked.set(topic, asking)
    return asking
  }
}
