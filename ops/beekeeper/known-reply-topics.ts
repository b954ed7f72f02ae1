import type { NamedTopics } from '../../processor/application/topics.ts'
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
  readonly maxKnown?: number
}

interface Known {
  readonly partitions: number | null
  readonly atMs: number
}

/**
 * The reply topics of one swarm, as they were when somebody looked. What is there is looked at again once a minute that it is used: it may be deleted. What is
 * missing is looked at again after seconds: somebody may make it.
 */
export class KnownReplyTopics implements ReplyTopics {
  readonly #options: KnownReplyTopicsOptions
  readonly #names: ReadonlySet<string>
  readonly #beginnings: readonly string[]
  /** Null: not looked at yet. */
  readonly #known = new Map<string, Known | null>()
  readonly #looking = new Set<string>()
  #listing: Promise<void> | null = null
  #isAskedAgain = false

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

  /** One of them is said to be gone: which are there is asked once, however many say so, and once more for those who say so meanwhile. */
  lookAgain(): Promise<void> {
    this.#isAskedAgain = this.#listing !== null
    this.#listing ??= this.#list().finally(() => {
      this.#listing = null
    })
    return this.#listing
  }

  async #list(): Promise<void> {
    const { log, clock } = this.#options
    do {
      this.#isAskedAgain = false
      const [asked, sinceMs] = [[...this.#known.keys()], clock.elapsedMs()]
      const there = new Set(await log.topics())
      for (const topic of asked) {
        // It may have been made, and looked at, since.
        const known = this.#known.get(topic) ?? null
        if (!there.has(topic) && (known === null || known.atMs < sinceMs)) this.#remember(topic, { partitions: null, atMs: clock.elapsedMs() })
      }
    } while (this.#isAskedAgain)
  }

  /** For the engine: which partition a reply goes to was decided, and looked at, where its request was accepted, perhaps by another process. */
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
    // What cannot be looked at stays as it was known.
    void this.look(topic)
      .catch(() => {})
      .finally(() => this.#looking.delete(topic))
  }

  #remember(topic: string, known: Known | null): void {
    if (!this.#known.has(topic) && this.#known.size >= (this.#options.maxKnown ?? maxKnown)) {
      // The one that was not looked at for the longest time.
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
