import type { TopicSpec } from '../../../processor/ports.ts'
import type { RocksChange } from '../../rocksdb/rocks.ts'
import type { CommitCycle } from './commit-cycle.ts'
import type { Partition } from './partition.ts'
import type { ReaderPosition, Readers } from './readers.ts'
import { nextTurn, runsATurn, storedRuns } from './stored-runs.ts'

export interface ExpiryOptions {
  readonly cycle: Pick<CommitCycle, 'change'>
}

export interface ExpiryLimits {
  /** Records with an older timestamp are deleted. In epoch milliseconds. */
  readonly before: number
  /** Records with this timestamp or a later timestamp always stay. In epoch milliseconds. */
  readonly sparedFrom: number
  /** While the partition has more bytes than this limit, its oldest records are deleted. Null: no limit. */
  readonly maxBytes: number | null
  readonly readers: Readers
}

/** The result of an expiry for one partition. */
export interface Expired {
  /** The number of offsets whose records were deleted. */
  readonly offsets: number
  /** Readers that have not read records past their retention, so that these records stay. */
  readonly heldBy: readonly ReaderPosition[]
}

/**
 * Deletes the oldest runs of a partition. A run is deleted if its newest record is past its retention and every reader has read the run. It works on
 * a few runs in each turn of the event loop. Each deletion is a write of its own.
 */
export class Expiry {
  readonly #options: ExpiryOptions

  constructor(options: ExpiryOptions) {
    this.#options = options
  }

  async expire(partition: Partition, limits: ExpiryLimits): Promise<Expired> {
    const { start } = partition
    if (limits.maxBytes !== null) await this.#count(partition)
    for (;;) {
      const held = await this.#expireRuns(partition, limits)
      if (held !== null) return { offsets: partition.start - start, heldBy: held }
      await nextTurn()
    }
  }

  /** Deletes the runs of one turn of the event loop. Null: more runs may have to be deleted. */
  async #expireRuns(partition: Partition, { before, sparedFrom, maxBytes, readers }: ExpiryLimits): Promise<readonly ReaderPosition[] | null> {
    let heldBy: readonly ReaderPosition[] | null = []
    await this.#options.cycle.change((rocks) => {
      const rows: RocksChange[] = []
      let { start, bytes } = partition
      let floor: number | null = null
      for (const run of storedRuns(partition, start, partition.durableEnd, rocks)) {
        const newest = run.records.at(-1)?.timestamp ?? 0
        const isOver = maxBytes !== null && bytes > maxBytes
        if (newest >= sparedFrom || (newest >= before && !isOver)) break
        // The lowest position of all readers is costly to find, so it is looked up only if a record is past its retention.
        floor ??= readers.floor(partition)
        if (run.end > floor) {
          heldBy = readers.of(partition).filter(({ offset }) => offset < run.end)
          break
        }
        rows.push([run.key, null])
        start = run.end
        bytes -= run.size
        if (rows.length < runsATurn) continue
        heldBy = null
        break
      }
      if (rows.length > 0) rows.push(partition.ends({ start, bytes }))
      return {
        rows,
        apply() {
          partition.start = start
          partition.bytes = bytes
        },
      }
    })
    return heldBy
  }

  /** Counts the bytes of a partition whose size is unknown. */
  async #count(partition: Partition): Promise<void> {
    let counted = { start: partition.start, next: partition.start, bytes: 0 }
    while (Number.isNaN(partition.bytes)) {
      await this.#options.cycle.change((rocks) => {
        const { start } = partition
        if (start !== counted.start) counted = { start, next: start, bytes: 0 }
        let runs = 0
        for (const run of storedRuns(partition, counted.next, partition.durableEnd, rocks)) {
          counted.bytes += run.size
          counted.next = run.end
          if (++runs === runsATurn) break
        }
        const bytes = runs < runsATurn ? counted.bytes : Number.NaN
        return {
          rows: [],
          apply() {
            partition.bytes = bytes
          },
        }
      })
      await nextTurn()
    }
  }
}

/** A partition's share of its topic's limit in bytes; null if the topic has no limit. */
export function partitionBytes({ retentionBytes = null, partitions }: TopicSpec): number | null {
  return retentionBytes === null ? null : retentionBytes / partitions
}
