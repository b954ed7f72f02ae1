import { readdirSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, LogStorage, TopicSpec } from '../../../processor/ports.ts'
import type { Rocks, RocksChange } from '../../rocksdb/rocks.ts'
import type { CommitMark } from './commit-mark.ts'
import { Compaction } from './compaction.ts'
import type { Group } from './group-consumer.ts'
import { offsetOfRunKey, runKey } from './keys.ts'
import { manifestOf } from './log-directory.ts'
import type { Partition } from './partition.ts'
import { Readers } from './readers.ts'
import { bytesOfRun, storedRecords } from './record-run.ts'
import type { SegmentUses } from './segment-uses.ts'
import type { Segments } from './segments.ts'
import type { Topic } from './topics.ts'

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
  /** The database; null while it is closed or cannot be written. */
  readonly disk: () => Rocks | null
  /** Settles when no commit is running, before the next one starts. */
  readonly settled: () => Promise<void>
}

/**
 * Deletes old records. A record is deleted when every reader has read it *and* it is past its topic's retention, in time or in bytes. A compacted
 * topic keeps the newest record of each key instead. When the disk is nearly full, all records that every reader has read are deleted, however young.
 * Unread records always stay: at the bound gateways refuse requests until the readers have caught up.
 */
export class Retention {
  readonly #options: RetentionOptions
  readonly #maxBytes: number
  readonly #compaction: Compaction
  #storage: LogStorage
  #hasWarned = false
  /** Groups that a notice has already named. */
  readonly #named = new Set<string>()
  /** Segments that no record named in the last round. Commits that ran at that time have ended. */
  #unused: ReadonlySet<number> = new Set()
  #isClosed = false
  #cancelExpiry = () => {}
  #cancelMeasure = () => {}

  constructor(options: RetentionOptions) {
    this.#options = options
    this.#maxBytes = options.maxBytes ?? Math.floor(diskOf(options.directory).size * shareOfDisk)
    this.#compaction = new Compaction(options.uses)
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
      // If this round fails, for example on a full disk, the next one tries again.
      void this.#expire(false)
        .catch(() => {})
        .then(() => {
          if (!this.#isClosed) this.#expireLater()
        })
    })
  }

  /** Deletes whole runs whose newest record may go, then segments that no record names. */
  async #expire(isShort: boolean): Promise<void> {
    const { settled, clock, topics, groups } = this.#options
    // The deletion and a commit write the same entries of partitions, so they must not overlap.
    await settled()
    const disk = this.#options.disk()
    if (disk === null || this.#isClosed) return
    const changes: RocksChange[] = []
    const held = new Map<string, string>()
    const readers = new Readers(disk, groups)
    for (const { spec, partitions } of topics()) {
      const maxBytes = partitionBytes(spec)
      if (spec.retentionMs !== null || maxBytes !== null) {
        const before = isShort ? Number.POSITIVE_INFINITY : clock.now() - (spec.retentionMs ?? Number.POSITIVE_INFINITY)
        for (const partition of partitions) this.#expirePartition(partition, { before, maxBytes, readers, disk, changes, held })
      }
      if (spec.cleanup === 'delete') continue
      for (const partition of partitions) this.#compaction.compact(partition, { disk, floor: readers.floor(partition), changes })
    }
    const unused = this.#takeUnused(changes)
    if (changes.length > 0) disk.write(changes)
    for (const segment of unused) this.#options.segments.delete(segment)
    if (!isShort) this.#nameHeld(held)
  }

  #expirePartition(
    partition: Partition,
    {
      before,
      maxBytes,
      readers,
      disk,
      changes,
      held,
    }: {
      readonly before: number
      /** The limit in bytes; null without one. */
      readonly maxBytes: number | null
      readonly readers: Readers
      readonly disk: Rocks
      readonly changes: RocksChange[]
      readonly held: Map<string, string>
    },
  ): void {
    const { topicNumber, number, durableEnd, start } = partition
    let floor: number | null = null
    let left = maxExpiredRuns
    if (maxBytes !== null && Number.isNaN(partition.bytes)) partition.bytes = storedBytes(partition, disk)
    for (const [key, run] of disk.range(runKey(topicNumber, number, 0), runKey(topicNumber, number, durableEnd))) {
      const first = offsetOfRunKey(key)
      const last = storedRecords(first, run).at(-1)
      const isOver = maxBytes !== null && partition.bytes > maxBytes
      if (last === undefined || (last.timestamp >= before && !isOver) || left-- === 0) break
      // The floor is costly, so it is computed only if a record is past its retention.
      floor ??= readers.floor(partition)
      if (last.offset >= floor) {
        for (const { group, offset } of readers.of(partition))
          if (offset <= last.offset) held.set(group, `${durableEnd - offset} records of ${partition.topic}, partition ${number}`)
        break
      }
      changes.push([key, null])
      partition.start = last.offset + 1
      partition.bytes -= bytesOfRun(first, run)
    }
    if (partition.start > start) changes.push(partition.ends())
  }

  /** Takes the segments that were unused in two rounds. No running commit can name them. */
  #takeUnused(changes: RocksChange[]): readonly number[] {
    const { uses, segments, mark, topics } = this.#options
    const starts = new Map<string, number>()
    for (const { partitions } of topics()) for (const { topicNumber, number, start } of partitions) starts.set(`${topicNumber} ${number}`, start)
    const found = uses
      .unused((topic, partition) => starts.get(`${topic} ${partition}`) ?? 0)
      .filter((segment) => segment !== segments.current.segment)
    const unused = found.filter((segment) => this.#unused.has(segment))
    this.#unused = new Set(found)
    for (const segment of found) segments.retire(segment)
    for (const segment of unused) {
      changes.push(...uses.forget(segment))
      mark.forgetSegment(segment)
    }
    // The mark is synced. After a power failure it must not name a deleted file.
    if (unused.length > 0) mark.flush({ sync: true })
    return unused
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
    const disk = this.#options.disk()
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
      if (mayExpire && bytes >= this.#maxBytes * shortAt) void this.#expire(true).catch(() => {})
      else if (mayExpire && this.#exceedsLimit()) void this.#expire(false).catch(() => {})
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

/** A partition's share of its topic's limit in bytes; null without a limit. */
function partitionBytes({ retentionBytes = null, partitions }: TopicSpec): number | null {
  return retentionBytes === null ? null : retentionBytes / partitions
}

function storedBytes({ topicNumber, number, start, durableEnd }: Partition, disk: Rocks): number {
  let bytes = 0
  for (const [key, run] of disk.range(runKey(topicNumber, number, start), runKey(topicNumber, number, durableEnd)))
    bytes += bytesOfRun(offsetOfRunKey(key), run)
  return bytes
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
const maxExpiredRuns = 10_000
/** A reader is behind if a record has waited this long for it. */
const stuckMs = 30_000
const shareOfDisk = 0.8
const warnAt = 0.7
const shortAt = 0.9
const scarceAt = 0.1
