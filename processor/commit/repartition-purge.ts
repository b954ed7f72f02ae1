import type { Topology } from '../../topology/graph.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type Clock, type Log, partitionName, type TopicPartition } from '../ports.ts'

type Positions = readonly (TopicPartition & { readonly offset: number })[]

export interface RepartitionPurgeOptions {
  readonly topology: Topology
  readonly log: Log
  readonly clock: Clock
  /** The shortest time between two purges. */
  readonly intervalMs: number
  /** Called when a purge fails. A failure only costs disk space. */
  readonly onNotice: (notice: string) => void
}

/**
 * Deletes processed records from repartition topics (KIP-811). Only the application reads these topics, and it never goes back behind its committed
 * positions.
 */
export class RepartitionPurge {
  readonly #options: RepartitionPurgeOptions
  readonly #topics: ReadonlySet<string>
  /** Committed positions whose records are not deleted yet, by partition. */
  readonly #due = new Map<string, Positions[number]>()
  #lastAt: number
  #isRunning = false
  #mayNot = false
  /**
   * The shortest pause before the next purge, in ms. A pause that is longer than the interval replaces the interval. The pause is 0 unless a purge
   * has failed.
   */
  #pauseMs = 0
  #cancel: (() => void) | null = null

  constructor(options: RepartitionPurgeOptions) {
    this.#options = options
    this.#topics = purgeableTopics(options.topology)
    this.#lastAt = options.clock.elapsedMs()
  }

  /** Notes committed positions. The records before them may be deleted. */
  committed(positions: Positions): void {
    if (this.#topics.size === 0 || this.#options.log.deleteBefore === undefined || this.#mayNot) return
    for (const { topic, partition, offset } of positions) {
      if (this.#topics.has(topic) && offset > 0) this.#due.set(partitionName({ topic, partition }), { topic, partition, offset })
    }
    this.#purgeSoon()
  }

  close(): void {
    this.#cancel?.()
    this.#mayNot = true
  }

  /** Starts a purge now, or when the interval is over. A timer is needed, because there may be no further commit. */
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
      // A position that was committed during the purge is higher, and stays due.
      if (error.code !== 'WAGGLE_MISSING_TOPIC')
        for (const place of due) if (!this.#due.has(partitionName(place))) this.#due.set(partitionName(place), place)
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

/** Repartition topics that exactly one sub-topology reads and from which no store is restored. */
function purgeableTopics(topology: Topology): ReadonlySet<string> {
  const subtopologies = topology.subtopologies()
  const kept = new Set(subtopologies.flatMap(({ stores }) => stores.flatMap((store) => (store.kind === 'custom' ? [] : (store.sourceTopic ?? [])))))
  const readers = (topic: string) => subtopologies.filter(({ sources }) => sources.includes(topic)).length
  return new Set([...topology.internalTopics.keys()].filter((topic) => !kept.has(topic) && readers(topic) === 1))
}

const failurePauseMs = 10_000
