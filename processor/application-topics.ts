import type { Topology } from '../topology/graph.ts'
import type { Subtopology } from '../topology/subtopology.ts'
import { WaggleError } from '../topology/waggle-error.ts'
import type { Log, TopicSpec } from './ports.ts'
import { changelogTopics } from './state/changelog-topics.ts'
import { internalTopics, refuseUnevenSources } from './topic-plan.ts'

export interface ApplicationTopicsOptions {
  readonly applicationId: string
  readonly topology: Topology
  readonly subtopologies: readonly Subtopology[]
  readonly log: Log
  /** Topics that are made before anything runs; those of others must exist. */
  readonly topics: readonly TopicSpec[]
  readonly deadLetterTopic: string | null
  /** See `ApplicationOptions`. */
  readonly namedPartitions: ((topic: string) => number | null | undefined) | null
  readonly missingTopicPartitions: number | null
}

/** The topics that an application reads and writes, and how many partitions they have. */
export class ApplicationTopics {
  readonly #options: ApplicationTopicsOptions
  readonly #partitions = new Map<string, number>()

  constructor(options: ApplicationTopicsOptions) {
    this.#options = options
  }

  /** Makes what is the application's own, and looks at what others have made. */
  async prepare(): Promise<void> {
    const { applicationId, topology, subtopologies, log, topics, deadLetterTopic } = this.#options
    await log.createTopics(topics)
    if (deadLetterTopic !== null) await this.#know(deadLetterTopic)
    const named = subtopologies.flatMap(({ sources, sinks }) => [...sources, ...sinks])
    for (const topic of named) if (!topology.internalTopics.has(topic)) await this.#know(topic)
    const choosesTopics = subtopologies.some(({ nodes }) => nodes.some((node) => node.kind === 'sink' && typeof node.topic !== 'string'))
    if (choosesTopics) await this.lookAgain()
    const own = internalTopics(topology, subtopologies, this.partitionsOf)
    await log.createTopics(own)
    for (const { name, partitions } of own) this.#partitions.set(name, partitions)
    if (log.state === null) await log.createTopics(changelogTopics(applicationId, subtopologies, this.partitionsOf))
    refuseUnevenSources(subtopologies, this.partitionsOf)
  }

  /** For sinks that choose a topic for each record: of those that exist by now. */
  async lookAgain(): Promise<void> {
    const { log, namedPartitions } = this.#options
    // Those that records name come and go: how many partitions they have is not kept.
    for (const topic of await log.topics()) if (namedPartitions?.(topic) === undefined) await this.#know(topic)
  }

  /** Throws WAGGLE_MISSING_TOPIC. */
  readonly partitionsOf = (topic: string): number => {
    const partitions = this.#partitions.get(topic) ?? this.#options.namedPartitions?.(topic) ?? null
    if (partitions === null) throw missing(topic)
    return partitions
  }

  async #know(topic: string): Promise<void> {
    if (this.#partitions.has(topic)) return
    const { log, missingTopicPartitions } = this.#options
    let info = await log.topic(topic)
    if (info === null && missingTopicPartitions !== null) {
      await log.createTopics([{ name: topic, partitions: missingTopicPartitions, cleanup: 'delete', retentionMs: null }])
      info = await log.topic(topic)
    }
    if (info === null) throw missing(topic)
    this.#partitions.set(topic, info.partitions)
  }
}

function missing(topic: string): WaggleError {
  return new WaggleError('WAGGLE_MISSING_TOPIC', { message: `The topic ${topic} does not exist`, next: 'Create it, or correct its name.' })
}
