import type { Topology } from '../../topology/graph.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { TopicSpec } from '../ports.ts'
import { changelogTopics } from '../state/changelog-topics.ts'
import type { TopicLog } from './planned-log.ts'
import { internalTopics, refuseUnevenSources } from './topic-plan.ts'

export interface ApplicationTopicsOptions {
  readonly applicationId: string
  readonly topology: Topology
  readonly subtopologies: readonly Subtopology[]
  readonly log: TopicLog
  /** Topics that are created at the start. Topics of other applications must exist. */
  readonly topics: readonly TopicSpec[]
  readonly namedTopics?: NamedTopics
  /** If set, missing topics of other applications are created with this number of partitions. */
  readonly missingTopicPartitions?: number
  readonly deadLetterTopic: string | null
}

/** Topics that records may name for their replies. */
export interface NamedTopics {
  allows(topic: string): boolean
  /** The topic's number of partitions; null if the topic is known to be missing. */
  partitionsOf(topic: string): number | null
}

/** The topics of an application. The application creates its own topics, and looks up the topics of other applications. */
export class ApplicationTopics {
  readonly #options: ApplicationTopicsOptions
  readonly #partitions = new Map<string, number>()
  #looking: Promise<void> | null = null

  constructor(options: ApplicationTopicsOptions) {
    this.#options = options
  }

  /** Creates and checks the topics. Throws WAGGLE_MISSING_TOPIC and WAGGLE_NOT_COPARTITIONED. */
  async prepare(): Promise<void> {
    const { applicationId, topology, subtopologies, log, topics, deadLetterTopic } = this.#options
    const partitionsOf = (topic: string) => this.partitionsOf(topic)
    await log.createTopics(topics)
    const named = subtopologies.flatMap(({ sources, sinks }) => [...sources, ...sinks])
    const foreign = named.filter((topic) => !topology.internalTopics.has(topic))
    await this.#knowAll(deadLetterTopic === null ? foreign : [deadLetterTopic, ...foreign])
    const choosesTopics = subtopologies.some(({ nodes }) => nodes.some((node) => node.kind === 'sink' && typeof node.topic !== 'string'))
    if (choosesTopics) await this.knowAll()
    const own = internalTopics(topology, subtopologies, partitionsOf)
    await log.createTopics(own)
    for (const { name, partitions } of own) this.#partitions.set(name, partitions)
    if (log.state === null) await log.createTopics(changelogTopics(applicationId, subtopologies, partitionsOf))
    refuseUnevenSources(subtopologies, partitionsOf)
  }

  /** Reads the partition counts of all topics, for sinks that choose a topic for each record. */
  async knowAll(): Promise<void> {
    const { log, namedTopics } = this.#options
    // The partition counts of reply topics are not kept, because such topics come and go.
    await this.#knowAll((await log.topics()).filter((topic) => !namedTopics?.allows(topic)))
  }

  /** Looks up all topics again after a topic was missing. Concurrent calls share one look-up. */
  knowAllSoon(): void {
    this.#looking ??= this.knowAll()
      .catch(() => {})
      .finally(() => {
        this.#looking = null
      })
  }

  partitionsOf(topic: string): number {
    const { namedTopics } = this.#options
    const partitions = this.#partitions.get(topic) ?? (namedTopics?.allows(topic) ? namedTopics.partitionsOf(topic) : null)
    if (partitions === null) throw missing([topic])
    return partitions
  }

  /** Throws WAGGLE_MISSING_TOPIC with all missing topics. */
  async #knowAll(topics: Iterable<string>): Promise<void> {
    const lacking: string[] = []
    for (const topic of new Set(topics)) if (!(await this.#knows(topic))) lacking.push(topic)
    if (lacking.length > 0) throw missing(lacking)
  }

  async #knows(topic: string): Promise<boolean> {
    if (this.#partitions.has(topic)) return true
    const { log, missingTopicPartitions } = this.#options
    let info = await log.topic(topic)
    if (info === null && missingTopicPartitions !== undefined) {
      await log.createTopics([{ name: topic, partitions: missingTopicPartitions, cleanup: 'delete', retentionMs: null }])
      info = await log.topic(topic)
    }
    if (info !== null) this.#partitions.set(topic, info.partitions)
    return info !== null
  }
}

function missing(topics: readonly string[]): WaggleError {
  const [message, next] =
    topics.length === 1
      ? [`The topic ${topics[0]} does not exist`, 'Create the topic, or correct its name.']
      : [`The topics ${topics.join(', ')} do not exist`, 'Create the topics, or correct their names.']
  return new WaggleError('WAGGLE_MISSING_TOPIC', { message, next })
}
