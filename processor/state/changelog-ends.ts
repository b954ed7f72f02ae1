import { SharedCalls } from '../../topology/shared-calls.ts'
import { type Log, type PartitionOffsets, partitionName, type TopicInfo, type TopicPartition } from '../ports.ts'

export interface ChangelogEdges extends PartitionOffsets {
  readonly topicId: string | null
}

export const noChangelog: ChangelogEdges = { start: 0, end: 0, topicId: null }

/** Starts and ends of changelogs. Requests for several partitions of a topic share one call to the log. */
export class ChangelogEnds {
  readonly #topics: SharedCalls<TopicInfo | null>
  /** Starts and ends of changelogs, as of the last request. */
  readonly #known = new Map<string, ChangelogEdges>()

  constructor(log: Log) {
    this.#topics = new SharedCalls((topic) => log.topic(topic))
  }

  /** The current start and end of each of these changelogs. A missing topic counts as empty. */
  async now(places: readonly TopicPartition[]): Promise<readonly ChangelogEdges[]> {
    const infos = await Promise.all(places.map(({ topic }) => this.#topics.for(topic)))
    return places.map((place, at) => {
      const offsets = { ...(infos[at]?.offsets[place.partition] ?? noChangelog), topicId: infos[at]?.id ?? null }
      this.#known.set(partitionName(place), offsets)
      return offsets
    })
  }

  known(place: TopicPartition): ChangelogEdges | null {
    return this.#known.get(partitionName(place)) ?? null
  }
}
