import type { Topology } from '../../topology/graph.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type Clock, type Log, placeName, type TopicPartition } from '../ports.ts'

type Positions = readonly (TopicPartition & { readonly offset: number })[]

export interface RepartitionPurgeOptions {
  readonly topology: Topology
  readonly log: Log
  readonly clock: Clock
  /** How often at the most. */
  readonly intervalMs: number
  /** It did not work, which does no harm but to disks. */
  readonly onNotice: (notice: string) => void
}

/**
 * Deletes what is done of repartition topics (KIP-811): nobody but the application reads them, and what is before its committed positions
 * nobody will read again.
 */
export class RepartitionPurge {
  readonly #options: RepartitionPurgeOptions
  readonly #topics: ReadonlySet<string>
  /** By place: committed, and not deleted yet. */
  readonly #due = new Map<string, Positions[number]>()
  #lastAt: number
  #isRunning = false
  #mayNot = false
  /** After a failure, however often it is to be. */
  #pauseMs = 0
  #cancel: (() => void) | null = null

  constructor(options: RepartitionPurgeOptions) {
    this.#options = options
    this.#topics = purgeableTopics(options.topology)
    this.#lastAt = options.clock.elapsedMs()
  }

  /** These are committed. */
  committed(positions: Positions): void {
    if (this.#topics.size === 0 || this.#options.log.deleteBefore === undefined || this.#mayNot) return
    for (const { topic, partition, offset } of positions) {
      if (this.#topics.has(topic) && offset > 0) this.#due.set(placeName({ topic, partition }), { topic, partition, offset })
    }
    this.#purgeSoon()
  }

  close(): void {
    this.#cancel?.()
    this.#mayNot = true
  }

  /** At once, or when the interval is over: nothing more may be committed until then. */
  #purgeSoon(): void {
    const { clock, intervalMs } = this.#options
    if (this.#due.size === 0 || this.#isRunning || this.#mayNot) return
    const now = clock.elapsedMs()
    const dueMs = this.#lastAt + Math.max(intervalMs, this.#pauseMs) - now
    if (dueMs > 0) {
      this.#cancel ??= clock.after(dueMs, () => {
        this.#cancel = null
        this.#purgeSoon()
      })
      return
    }
    this.#lastAt = now
    this.#pauseMs = 0
    void this.#purge()
  }

  async #purge(): Promise<void> {
    const due = [...this.#due.values()]
    this.#due.clear()
    this.#isRunning = true
    try {
      await this.#options.log.deleteBefore?.(due)
    } catch (thrown) {
      const error = WaggleError.from('WAGGLE_LOG_REFUSED', thrown, { next: 'Nothing: it is tried again.' })
      this.#mayNot ||= error.code === 'WAGGLE_NOT_PERMITTED'
      // What was committed meanwhile is further.
      if (error.code !== 'WAGGLE_MISSING_TOPIC') for (const place of due) if (!this.#due.has(placeName(place))) this.#due.set(placeName(place), place)
      this.#pauseMs = failurePauseMs
      this.#lastAt = this.#options.clock.elapsedMs()
      const until = error.code === 'WAGGLE_NOT_PERMITTED' ? ' Until the next start it is not tried again.' : ''
      this.#options.onNotice(`Repartition topics keep what is done: ${error.message}. ${error.next}${until}`)
    } finally {
      this.#isRunning = false
      this.#purgeSoon()
    }
  }
}

/** Those that one sub-topology reads, and that no store is rebuilt from. */
function purgeableTopics(topology: Topology): ReadonlySet<string> {
  const subtopologies = topology.subtopologies()
  const kept = new Set(subtopologies.flatMap(({ stores }) => stores.flatMap((store) => (store.kind === 'custom' ? [] : (store.sourceTopic ?? [])))))
  const readers = (topic: string) => subtopologies.filter(({ sources }) => sources.includes(topic)).length
  return new Set([...topology.internalTopics.keys()].filter((topic) => !kept.has(topic) && readers(topic) === 1))
}

const failurePauseMs = 10_000
