import type { NamedTopics } from '../../processor/application/topics.ts'
import type { Clock, Log } from '../../processor/ports.ts'
import type { ReplyTopics } from '../../topology/swarm/request/reply-topics.ts'
import { Unavailable } from '../../topology/waggle-error.ts'

export interface KnownReplyTopicsOptions {
  readonly log: Log
  readonly clock: Clock
  /** The value of `WAGGLE_REPLY_TOPICS`: topic names, separated by commas. A name that ends with `*` is a prefix. If null, no topic is allowed. */
  readonly allowed: string | null
  /** The number of partitions of each topic that this swarm's own gateways read. */
  readonly own: ReadonlyMap<string, number>
  readonly maxKnown?: number
}

interface Known {
  readonly partitions: number | null
  readonly atMs: number
}

/**
 * A cache of the reply topics of one swarm. A topic in use is looked up again once a minute, because it may be deleted. A missing topic is looked up
 * again after a few seconds, because it may be created.
 */
export class KnownReplyTopics implements ReplyTopics {
  readonly #options: KnownReplyTopicsOptions
  readonly #names: ReadonlySet<string>
  readonly #beginnings: readonly string[]
  /** The topics by name; null for a topic that was not looked up yet. */
  readonly #known = new Map<string, Known | null>()
  readonly #looking = new Set<string>()
  #listing: Promise<void> | null = null
  #mustListAgain = false

  constructor(options: KnownReplyTopicsOptions) {
    this.#options = options
    const allowed = (options.allowed ?? '').split(',').flatMap((name) => name.trim() || [])
    this.#names = new Set(allowed.filter((name) => !name.endsWith('*')))
    this.#beginnings = allowed.flatMap((name) => (name.endsWith('*') ? [name.slice(0, -1)] : []))
  }

  allows(topic: string): boolean {
    return this.#options.own.has(topic) || this.#names.has(topic) || this.#beginnings.some((beginning) => topic.startsWith(beginning))
  }

  isOwn(topic: string): boolean {
    return this.#options.own.has(topic)
  }

  partitionsOf(topic: string): number | null | undefined {
    const own = this.#options.own.get(topic)
    if (own !== undefined) return own
    const known = this.#known.get(topic) ?? null
    if (known === null) return undefined
    const ageMs = this.#options.clock.elapsedMs() - known.atMs
    if (known.partitions === null) return ageMs < missingMs ? null : undefined
    if (ageMs >= thereMs) this.#lookSoon(topic)
    return known.partitions
  }

  async look(topic: string): Promise<void> {
    const { log, clock } = this.#options
    try {
      const info = await log.topic(topic)
      this.#remember(topic, { partitions: info?.partitions ?? null, atMs: clock.elapsedMs() })
    } catch (cause) {
      throw new Unavailable('WAGGLE_LOG_UNREACHABLE', {
        message: `The reply topic ${topic} cannot be looked up: ${cause instanceof Error ? cause.message : String(cause)}`,
        next: 'See that the brokers run and can be reached from here.',
        cause,
      })
    }
  }

  /**
   * Lists all topics of the log after a reply topic was reported missing. Calls during a listing wait for that listing and for one more listing,
   * which they share.
   */
  lookAgain(): Promise<void> {
    this.#mustListAgain = this.#listing !== null
    this.#listing ??= this.#list().finally(() => {
      this.#listing = null
    })
    return this.#listing
  }

  async #list(): Promise<void> {
    const { log, clock } = this.#options
    do {
      this.#mustListAgain = false
      const [asked, sinceMs] = [[...this.#known.keys()], clock.elapsedMs()]
      const there = new Set(await log.topics())
      for (const topic of asked) {
        // A look-up may have found the topic during the listing.
        const known = this.#known.get(topic) ?? null
        if (!there.has(topic) && (known === null || known.atMs < sinceMs)) this.#remember(topic, { partitions: null, atMs: clock.elapsedMs() })
      }
    } while (this.#mustListAgain)
  }

  /**
   * The reply topics for the engine. The engine may use a topic that this cache has not looked up yet, because another process has accepted the
   * request, looked the topic up, and chosen the partition.
   */
  get named(): NamedTopics {
    return { allows: (topic) => this.allows(topic), partitionsOf: (topic) => this.#namedPartitions(topic) }
  }

  #namedPartitions(topic: string): number | null {
    const own = this.#options.own.get(topic)
    if (own !== undefined) return own
    const known = this.#known.get(topic)
    if (known === undefined) this.#remember(topic, null)
    else if (known !== null && this.partitionsOf(topic) === undefined) this.#lookSoon(topic)
    return known === undefined || known === null ? Number.MAX_SAFE_INTEGER : known.partitions
  }

  #lookSoon(topic: string): void {
    if (this.#looking.has(topic)) return
    this.#looking.add(topic)
    // If the look-up fails, the cache keeps the old result.
    void this.look(topic)
      .catch(() => {})
      .finally(() => this.#looking.delete(topic))
  }

  #remember(topic: string, known: Known | null): void {
    if (!this.#known.has(topic) && this.#known.size >= (this.#options.maxKnown ?? maxKnown)) {
      // The first key of the map is the topic with the oldest result.
      for (const first of this.#known.keys()) {
        this.#known.delete(first)
        break
      }
    }
    this.#known.delete(topic)
    this.#known.set(topic, known)
  }
}

const maxKnown = 10_000
const missingMs = 5000
const thereMs = 60_000
