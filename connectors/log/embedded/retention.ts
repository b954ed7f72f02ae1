import { readdirSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, LogStorage } from '../../../processor/ports.ts'
import { swarmOfDeadLetters } from '../../../topology/naming.ts'
import type { Rocks } from '../../rocksdb/rocks.ts'
import type { CommitCycle } from './commit-cycle.ts'
import type { CommitMark } from './commit-mark.ts'
import { Compaction } from './compaction.ts'
import { Expiry, partitionBytes } from './expiry.ts'
import type { Group } from './group-consumer.ts'
import type { LentDisk } from './lent-disk.ts'
import { manifestOf } from './log-directory.ts'
import { Readers } from './readers.ts'
import type { SegmentUses } from './segment-uses.ts'
import type { Segments } from './segments.ts'
import type { Topic } from './topics.ts'
import { UnusedSegments } from './unused-segments.ts'

export interface RetentionOptions {
  readonly directory: string
  readonly clock: Clock
  /** The most bytes of all files of the log; null: four fifths of the disk. */
  readonly maxBytes: number | null
  readonly onNotice: (notice: string) => void
  readonly segments: Segments
  readonly uses: SegmentUses
  readonly mark: CommitMark
  readonly groups: ReadonlyMap<string, Group>
  readonly topics: () => Iterable<Topic>
  readonly disk: LentDisk
  readonly cycle: CommitCycle
}

/**
 * Deletes old records. A record is deleted when every reader has read it *and* it is past its topic's retention, in time or in bytes. A compacted
 * topic keeps the newest record of each key instead. When the disk is nearly full, all records that every reader has read are deleted, however young.
 * Unread records always stay: at the bound gateways refuse requests until the readers have caught up.
 */
export class Retention {
  readonly #options: RetentionOptions
  readonly #maxBytes: number
  readonly #expiry: Expiry
  readonly #compaction: Compaction
  readonly #unused: UnusedSegments
  #storage: LogStorage
  #hasWarned = false
  /** Groups that a notice has already named. */
  readonly #named = new Set<string>()
  #isCompacting = false
  /** The failure that a notice has reported; null after a round without one. */
  #failure: string | null = null
  #isClosed = false
  #cancelExpiry = () => {}
  #cancelMeasure = () => {}

  constructor(options: RetentionOptions) {
    this.#options = options
    this.#maxBytes = options.maxBytes ?? Math.floor(diskOf(options.directory).size * shareOfDisk)
    this.#expiry = new Expiry(options)
    this.#compaction = new Compaction(options)
    this.#unused = new UnusedSegments(options)
    this.#storage = { bytes: 0, maxBytes: this.#maxBytes, behind: [], refusal: null }
  }

  start(): void {
    // Nothing is deleted yet. Before swarms subscribe, a topic without positions looks as if it had no reader.
    this.#measure({ mayExpire: false })
    this.#expireLater()
  }

  close(): void {
    this.#isClosed = true
    this.#cancelExpiry()
    this.#cancelMeasure()
  }

  get storage(): LogStorage {
    return this.#storage
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
      for (const partition of partitions) {
        const { offsets, heldBy } = await this.#expiry.expire(partition, { before, maxBytes, readers })
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

  #measure({ mayExpire }: { readonly mayExpire: boolean }): void {
    const { directory, clock, onNotice, mark } = this.#options
    const disk = this.#options.disk.writable
    if (disk !== null) {
      const manifest = manifestOf(join(directory, 'db'))
      if (manifest !== null) mark.manifest(manifest)
      mark.flush()
      const bytes = bytesOf(join(directory, 'db')) + bytesOf(join(directory, 'segments'))
      const behind = this.#behind(disk)
      // The notice names a reader that has stopped. A reader with more unread records may just be slow.
      const stuck = behind.find(({ oldestAgeMs }) => oldestAgeMs >= stuckMs)
      const furthest = stuck ?? behind[0]
      const isNear = bytes >= this.#maxBytes * warnAt || diskOf(directory).free < diskOf(directory).size * scarceAt
      const says = `The log has ${shown(bytes)} on its disk, of ${shown(this.#maxBytes)} that it may have (WAGGLE_LOG_MAX_BYTES)`
      const who =
        furthest === undefined
          ? 'every reader has read what there is'
          : `the reader ${furthest.group} is ${furthest.records} records of ${furthest.topic}, partition ${furthest.partition}, behind`
      if (isNear && !this.#hasWarned) onNotice(`${says}; ${who}.${furthest === undefined ? '' : ` ${releaseOf(furthest.group)}`}`)
      this.#hasWarned = isNear
      this.#storage = {
        bytes,
        maxBytes: this.#maxBytes,
        behind,
        refusal: bytes >= this.#maxBytes && stuck !== undefined ? `${says}; ${who}` : null,
      }
      if (mayExpire && bytes >= this.#maxBytes * shortAt) void this.#round(true)
      else if (mayExpire && this.#exceedsLimit()) void this.#round(false)
    }
    if (!this.#isClosed) this.#cancelMeasure = clock.after(measureMs, () => this.#measure({ mayExpire: true }))
  }

  /** True if a topic has more bytes than its retention allows. */
  #exceedsLimit(): boolean {
    for (const { spec, partitions } of this.#options.topics()) {
      const maxBytes = partitionBytes(spec)
      if (maxBytes !== null && partitions.some(({ bytes }) => bytes > maxBytes)) return true
    }
    return false
  }

  /** Readers that are behind, with the most unread records first. */
  #behind(disk: Rocks): LogStorage['behind'] {
    const readers = new Readers(disk, this.#options.groups)
    const now = this.#options.clock.now()
    const behind: LogStorage['behind'][number][] = []
    for (const { partitions } of this.#options.topics()) {
      for (const partition of partitions) {
        const { topic, number, durableEnd, start } = partition
        for (const { group, offset } of readers.of(partition)) {
          const records = durableEnd - Math.max(offset, start)
          if (records <= 0) continue
          const at = partition.timeOf(Math.max(offset, start), disk)
          behind.push({ group, topic, partition: number, records, oldestAgeMs: at === null ? 0 : Math.max(0, now - at) })
        }
      }
    }
    return behind.sort((one, other) => other.records - one.records)
  }
}

function releaseOf(group: string): string {
  return `Start what reads as ${group}, or give up what it has not read: \`waggle reset --reader ${group}\`, while nothing runs.`
}

/** The size of a directory's files. RocksDB may delete a file during the count. */
function bytesOf(directory: string): number {
  let bytes = 0
  for (const name of namesIn(directory)) bytes += statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0
  return bytes
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function diskOf(directory: string): { readonly size: number; readonly free: number } {
  const { blocks, bsize, bavail } = statfsSync(directory)
  return { size: blocks * bsize, free: bavail * bsize }
}

function shown(bytes: number): string {
  return bytes >= 10 * 1024 ** 3 ? `${Math.round(bytes / 1024 ** 3)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`
}

/** The intervals between two searches for old records, and between two measurements of the disk. */
const expiryMs = 60_000
const measureMs = 5_000
/** A reader that has not read a record after this time is behind, not just busy. */
const stuckMs = 30_000
const shareOfDisk = 0.8
const warnAt = 0.7
const shortAt = 0.9
const scarceAt = 0.1
