import type { Clock, Log } from '../../processor/ports.ts'
import type { ReplyTopics } from '../../topology/swarm/reply-topics.ts'
import { Unavailable } from '../../topology/waggle-error.ts'

export interface KnownReplyTopicsOptions {
  readonly log: Log
  readonly clock: Clock
  /** As `WAGGLE_REPLY_TOPICS` has it: names with commas between them, a `*` at the end for any ending. */
  readonly allowed: string | null
  /** Those that this swarm's gateways read themselves, with their partitions. */
  readonly own: ReadonlyMap<string, number>
}

/** The reply topics of one swarm. What is looked up is kept; that a topic is missing only for a moment, since somebody may make it. */
export class KnownReplyTopics implements ReplyTopics {
  readonly #options: KnownReplyTopicsOptions
  readonly #names: ReadonlySet<string>
  readonly #beginnings: readonly string[]
  readonly #partitions = new Map<string, number | null>()

  constructor(options: KnownReplyTopicsOptions) {
    this.#options = options
    const allowed = (options.allowed ?? '').split(',').flatMap((name) => name.trim() || [])
    this.#names = new Set(allowed.filter((name) => !name.endsWith('*')))
    this.#beginnings = allowed.flatMap((name) => (name.endsWith('*') ? [name.slice(0, -1)] : []))
  }

  allows(topic: string): boolean {
    return this.#options.own.has(topic) || this.#names.has(topic) || this.#beginnings.some((beginning) => topic.startsWith(beginning))
  }

  partitionsOf(topic: string): number | null | undefined {
    return this.#options.own.get(topic) ?? this.#partitions.get(topic)
  }

  async look(topic: string): Promise<void> {
    const { log, clock } = this.#options
    try {
      const info = await log.topic(topic)
      if (this.#partitions.size >= maxKnown) this.#partitions.clear()
      this.#partitions.set(topic, info?.partitions ?? null)
      if (info === null) clock.after(missingMs, () => this.#partitions.delete(topic))
    } catch (cause) {
      throw new Unavailable('WAGGLE_LOG_UNREACHABLE', {
        message: `The reply topic ${topic} cannot be looked up: ${cause instanceof Error ? cause.message : String(cause)}`,
        next: 'See that the brokers run and can be reached from here.',
        cause,
      })
    }
  }

  /** For the engine: which partition a reply goes to was decided, and looked at, where its request was accepted, perhaps by another process. */
  readonly namedPartitions = (topic: string): number | null => (this.allows(topic) ? Number.MAX_SAFE_INTEGER : null)
}

const maxKnown = 10_000
const missingMs = 5000
