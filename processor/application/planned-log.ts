import { renumbered } from '../../topology/log-errors.ts'
import type { Log, TopicSpec } from '../ports.ts'

/** The members of a log by which topics are created and looked up. */
export type TopicLog = Pick<Log, 'state' | 'createTopics' | 'topic' | 'topics'>

/**
 * A log on which topics are created only in memory. An application checks its topics with it as at its start, and nothing changes. Throws
 * WAGGLE_TOPIC_MISMATCH as the log does.
 */
export class PlannedLog implements TopicLog {
  readonly #log: TopicLog
  readonly #planned = new Map<string, TopicSpec>()

  constructor(log: TopicLog) {
    this.#log = log
  }

  get state(): Log['state'] {
    return this.#log.state
  }

  async createTopics(topics: readonly TopicSpec[]): Promise<void> {
    for (const spec of topics) {
      const there = await this.topic(spec.name)
      if (there === null) this.#planned.set(spec.name, spec)
      else if (there.partitions !== spec.partitions) throw renumbered(spec.name, { has: there.partitions, wanted: spec.partitions })
    }
  }

  async topic(name: string): ReturnType<Log['topic']> {
    const planned = this.#planned.get(name)
    return planned === undefined ? this.#log.topic(name) : { ...planned, offsets: [] }
  }

  async topics(): Promise<readonly string[]> {
    return [...new Set([...(await this.#log.topics()), ...this.#planned.keys()])]
  }
}
