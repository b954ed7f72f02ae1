import type { Clock, TopicSpec } from '../../../processor/ports.ts'
import { swarmOfDeadLetters } from '../../../topology/topic-names.ts'
import type { CommitCycle } from './commit-cycle.ts'
import type { CommitMark } from './commit-mark.ts'
import { Compaction } from './compaction.ts'
import { Expiry, partitionBytes } from './expiry.ts'
import type { Groups } from './groups.ts'
import type { LentDisk } from './lent-disk.ts'
import { Readers, releaseOf } from './readers.ts'
import type { SegmentUses } from './segment-uses.ts'
import type { Segments } from './segments.ts'
import type { Topic } from './topics.ts'
import { UnusedSegments } from './unused-segments.ts'

export interface RetentionOptions {
  readonly clock: Clock
  readonly onNotice: (notice: string) => void
  readonly segments: Segments
  readonly uses: SegmentUses
  readonly mark: CommitMark
  readonly groups: Groups
  readonly topics: () => Iterable<Topic>
  readonly disk: LentDisk
  readonly cycle: CommitCycle
}

/**
 * Deletes old records. A record is deleted when every reader has read it *and* it is past its topic's retention, in time or in bytes. A compacted
 * topic keeps the newest record of each key instead. When the disk is nearly full, all records that every reader has read are deleted, even young
 * ones. Unread records always stay: at the size limit of the log, gateways refuse requests until the readers have caught up.
 */
export class Retention {
  readonly #options: RetentionOptions
  readonly #expiry: Expiry
  readonly #compaction: Compaction
  readonly #unused: UnusedSegments
  /** Groups that a notice has already named, so that no other notice names them. */
  readonly #named = new Set<string>()
  readonly #openedAt: number
  #isCompacting = false
  /** The failure that a notice has reported; null if the last round of deletions succeeded. */
  #failure: string | null = null
  #isClosed = false
  #cancelExpiry = () => {}

  constructor(options: RetentionOptions) {
    this.#options = options
    this.#openedAt = options.clock.now()
    this.#expiry = new Expiry(options)
    this.#compaction = new Compaction(options)
    this.#unused = new UnusedSegments(options)
  }

  start(): void {
    this.#expireLater()
  }

  /** Starts a round at once if the disk is nearly full, or a topic has more bytes than its retention allows. */
  measured({ isShort }: { readonly isShort: boolean }): void {
    if (isShort || this.#exceedsLimit()) void this.#round(isShort)
  }

  close(): void {
    this.#isClosed = true
    this.#cancelExpiry()
  }

  #expireLater(): void {
    this.#cancelExpiry = this.#options.clock.after(expiryMs, () => {
      void this.#round(false).then(() => {
        if (!this.#isClosed) this.#expireLater()
      })
    })
  }

  /** One round of deletions. After a failure, for example on a full disk, the next round tries again. */
  async #round(isShort: boolean): Promise<void> {
    try {
      await this.#expire(isShort)
      await this.#compact()
      await this.#unused.delete()
      this.#failure = null
    } catch (error) {
      if (this.#isClosed) return
      const failure = error instanceof Error ? error.message : String(error)
      if (failure !== this.#failure) this.#options.onNotice(`Old records of the log cannot be deleted at the moment: ${failure}`)
      this.#failure = failure
    }
  }

  async #expire(isShort: boolean): Promise<void> {
    const { disk, clock, topics, groups, onNotice } = this.#options
    const held = new Map<string, string>()
    const readers = new Readers(disk.forWriting(), groups)
    for (const { spec, partitions } of [...topics()]) {
      const maxBytes = partitionBytes(spec)
      if (spec.retentionMs === null && maxBytes === null) continue
      const swarm = isShort ? swarmOfDeadLetters(spec.name) : null
      const before = isShort ? Number.POSITIVE_INFINITY : clock.now() - (spec.retentionMs ?? Number.POSITIVE_INFINITY)
      const sparedFrom = this.#sparedFrom(spec)
      for (const partition of partitions) {
        const { offsets, heldBy } = await this.#expiry.expire(partition, { before, sparedFrom, maxBytes, readers })
        for (const { group, offset } of heldBy)
          held.set(group, `${partition.durableEnd - offset} records of ${partition.topic}, partition ${partition.number}`)
        if (swarm !== null && offsets > 0)
          onNotice(
            `The log is nearly full, so ${offsets} dead letters of ${swarm} were deleted before their retention (partition ${partition.number}, offsets before ${partition.start}). Give the log more room: WAGGLE_LOG_MAX_BYTES.`,
          )
      }
    }
    if (!isShort) this.#nameHeld(held)
  }

  /**
   * The time from which a topic's records stay. Records that were young when the process ended get the same time again, for readers that start now.
   */
  #sparedFrom({ leastAgeMs = 0 }: TopicSpec): number {
    if (leastAgeMs === 0) return Number.POSITIVE_INFINITY
    const now = this.#options.clock.now()
    return now - this.#openedAt < leastAgeMs ? Number.NEGATIVE_INFINITY : now - leastAgeMs
  }

  async #compact(): Promise<void> {
    const { disk, topics, groups } = this.#options
    if (this.#isCompacting) return
    this.#isCompacting = true
    try {
      const readers = new Readers(disk.forWriting(), groups)
      for (const { spec, partitions } of [...topics()]) {
        if (spec.cleanup === 'delete') continue
        for (const partition of partitions) await this.#compaction.compact(partition, readers.floor(partition))
      }
    } finally {
      this.#isCompacting = false
    }
  }

  #nameHeld(held: ReadonlyMap<string, string>): void {
    for (const [group, what] of held) {
      if (this.#named.has(group)) continue
      this.#options.onNotice(
        `Records are kept past their retention because the reader ${group} has not read them: it is ${what} behind. ${releaseOf(group)}`,
      )
    }
    this.#named.clear()
    for (const group of held.keys()) this.#named.add(group)
  }

  /** True if a topic has more bytes than its retention allows. */
  #exceedsLimit(): boolean {
    for (const { spec, partitions } of this.#options.topics()) {
      const maxBytes = partitionBytes(spec)
      if (maxBytes !== null && partitions.some(({ bytes }) => bytes > maxBytes)) return true
    }
    return false
  }
}

/** The time between two searches for old records. */
const expiryMs = 60_000
