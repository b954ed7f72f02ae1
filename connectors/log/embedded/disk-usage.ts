import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, LogStorage } from '../../../processor/ports.ts'
import type { Rocks } from '../../rocksdb/rocks.ts'
import { diskOf, shownBytes } from '../../system/disk-space.ts'
import { namesIn } from '../../system/folder-names.ts'
import type { CommitMark } from './commit-mark.ts'
import type { Groups } from './groups.ts'
import type { LentDisk } from './lent-disk.ts'
import { manifestOf } from './log-directory.ts'
import { Readers, releaseOf } from './readers.ts'
import type { Topic } from './topics.ts'

export interface DiskUsageOptions {
  readonly directory: string
  readonly clock: Clock
  /** The most bytes of all files of the log; null: four fifths of the disk's size. */
  readonly maxBytes: number | null
  readonly onNotice: (notice: string) => void
  readonly mark: CommitMark
  readonly groups: Groups
  readonly topics: () => Iterable<Topic>
  readonly disk: LentDisk
  /**
   * Called after each measurement except the first. `isShort`: the disk is nearly full, so records must be deleted before their retention has passed.
   */
  readonly onMeasured: (measured: { readonly isShort: boolean }) => void
}

/**
 * Measures the size of the log's files every few seconds, and finds the readers that keep records on the disk. It gives notice before the disk is
 * full. Each measurement also flushes the mark of the last durable commit.
 */
export class DiskUsage {
  readonly #options: DiskUsageOptions
  readonly #maxBytes: number
  #storage: LogStorage
  #hasWarned = false
  #isClosed = false
  #cancel = () => {}

  constructor(options: DiskUsageOptions) {
    this.#options = options
    this.#maxBytes = options.maxBytes ?? Math.floor(diskOf(options.directory).size * shareOfDisk)
    this.#storage = { bytes: 0, maxBytes: this.#maxBytes, behind: [], refusal: null }
  }

  /**
   * Starts the measurements. Before swarms subscribe, a topic without positions looks as if it had no reader. So the first measurement does not call
   * `onMeasured`, because records could be deleted.
   */
  start(): void {
    this.#measure()
    this.#measureLater()
  }

  close(): void {
    this.#isClosed = true
    this.#cancel()
  }

  get storage(): LogStorage {
    return this.#storage
  }

  #measureLater(): void {
    const { clock, onMeasured } = this.#options
    this.#cancel = clock.after(measureMs, () => {
      if (this.#measure()) onMeasured({ isShort: this.#storage.bytes >= this.#maxBytes * shortAt })
      if (!this.#isClosed) this.#measureLater()
    })
  }

  /** Measures the files. False while the database cannot be written; then nothing is measured. */
  #measure(): boolean {
    const { directory, onNotice, mark } = this.#options
    const disk = this.#options.disk.writable
    if (disk === null) return false
    const manifest = manifestOf(join(directory, 'db'))
    if (manifest !== null) mark.manifest(manifest)
    mark.flush()
    const bytes = bytesOf(join(directory, 'db')) + bytesOf(join(directory, 'segments'))
    const behind = this.#behind(disk)
    // The notice names a reader that has stopped, if there is one. Another reader with more unread records may just be slow.
    const stuck = behind.find(({ oldestAgeMs }) => oldestAgeMs >= stuckMs)
    const furthest = stuck ?? behind[0]
    const isNear = bytes >= this.#maxBytes * warnAt || diskOf(directory).free < diskOf(directory).size * scarceAt
    const says = `The log has ${shownBytes(bytes)} on its disk, of ${shownBytes(this.#maxBytes)} that it may have (WAGGLE_LOG_MAX_BYTES)`
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
    return true
  }

  /** The readers with unread records. The reader with the most unread records comes first. */
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

/** The size of a directory's files. RocksDB may delete a file during the count. */
function bytesOf(directory: string): number {
  let bytes = 0
  for (const name of namesIn(directory)) bytes += statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0
  return bytes
}

/** The time between two measurements. */
const measureMs = 5_000
/** A reader counts as stopped if a record has waited longer than this time for it. */
const stuckMs = 30_000
const shareOfDisk = 0.8
const warnAt = 0.7
const shortAt = 0.9
const scarceAt = 0.1
