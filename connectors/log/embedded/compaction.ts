import type { RocksChange } from '../../rocksdb/rocks.ts'
import type { CommitCycle } from './commit-cycle.ts'
import { runKey } from './keys.ts'
import type { LentDisk } from './lent-disk.ts'
import type { Partition } from './partition.ts'
import { encodeRun, isPayload } from './record-run.ts'
import type { SegmentUses } from './segment-uses.ts'
import { nextTurn, payloadBytes, runsATurn, storedRuns } from './stored-runs.ts'

export interface CompactionOptions {
  readonly uses: SegmentUses
  readonly disk: Pick<LentDisk, 'forWriting'>
  readonly cycle: Pick<CommitCycle, 'change'>
  /** The most bytes of keys in memory. Default: 32 MiB. */
  readonly maxKeyBytes?: number
}

/**
 * Deletes records of compacted topics for which a newer record of the same key exists. Offsets stay, as on Kafka. Like Kafka's log cleaner, it first
 * reads as many new records as memory allows, and remembers the newest offset of each key. Then it deletes all older records of these keys. It works
 * on a few runs in each turn of the event loop. Each deletion is a write of its own, so the work may stop after any deletion.
 */
export class Compaction {
  readonly #options: CompactionOptions
  readonly #maxKeyBytes: number
  /** For each partition: the offset up to which records were compacted, and the number of records that this compaction kept. */
  readonly #last = new WeakMap<Partition, { readonly end: number; readonly kept: number }>()

  constructor(options: CompactionOptions) {
    this.#options = options
    this.#maxKeyBytes = options.maxKeyBytes ?? 32 * 1024 * 1024
  }

  /**
   * Compacts a partition for as long as its new records outnumber the records that the last compaction kept. Records from `floor` on stay, because a
   * reader has not read them.
   */
  async compact(partition: Partition, floor: number): Promise<void> {
    const end = Math.min(partition.durableEnd, floor)
    for (;;) {
      const last = this.#last.get(partition) ?? { end: partition.start, kept: 0 }
      if (end - last.end <= last.kept) return
      const newest = await this.#newest(partition, last.end, end)
      const kept = await this.#deleteOlder(partition, newest)
      this.#last.set(partition, { end: newest.end, kept })
    }
  }

  /** Reads the records from `from` to `to`, and finds the newest offset of each key. The reading stops early when the keys take too much memory. */
  async #newest(partition: Partition, from: number, to: number): Promise<NewestOffsets> {
    const offsets = new Map<string, number>()
    let bytes = 0
    let next = partition.firstOfRun(from, this.#options.disk.forWriting())
    while (next < to && bytes < this.#maxKeyBytes) {
      let runs = 0
      for (const { records, end } of storedRuns(partition, next, to, this.#options.disk.forWriting())) {
        for (const { key, offset } of records) {
          if (key === null || offset >= to) continue
          const name = nameOf(key)
          if (!offsets.has(name)) bytes += key.length + entryBytes
          offsets.set(name, offset)
        }
        next = Math.min(end, to)
        if (++runs === runsATurn || bytes >= this.#maxKeyBytes) break
      }
      if (runs < runsATurn && bytes < this.#maxKeyBytes) next = to
      await nextTurn()
    }
    return { offsets, end: next }
  }

  /** Deletes each record whose key has a newer record in `newest`. Returns the number of records that stay before `newest.end`. */
  async #deleteOlder(partition: Partition, newest: NewestOffsets): Promise<number> {
    const { uses, cycle } = this.#options
    const lasts = new Map<number, number>()
    let kept = 0
    let next = partition.start
    while (next < newest.end) {
      await cycle.change((rocks) => {
        const rows: RocksChange[] = []
        let freed = 0
        let runs = 0
        let to = newest.end
        for (const { key: at, records, end, size } of storedRuns(partition, next, newest.end, rocks)) {
          const stay = records.filter(({ key, offset }) => key === null || (newest.offsets.get(nameOf(key)) ?? offset) <= offset)
          for (const { value, offset } of stay) {
            if (offset < newest.end) kept++
            if (isPayload(value)) lasts.set(value.segment, offset)
          }
          const [first] = stay
          if (stay.length < records.length) {
            const left = first === undefined ? null : encodeRun(stay)
            rows.push([at, null])
            if (first !== undefined) rows.push([runKey(partition.topicNumber, partition.number, first.offset), left])
            freed += size - (left === null ? 0 : left.length + payloadBytes(stay))
          }
          if (++runs < runsATurn) continue
          to = Math.min(end, newest.end)
          break
        }
        const bytes = partition.bytes - freed
        if (rows.length > 0) rows.push(partition.ends({ bytes }))
        return {
          rows,
          apply() {
            partition.bytes = bytes
            next = to
          },
        }
      })
      await nextTurn()
    }
    await cycle.change(() => uses.replace(partition, lasts, newest.end))
    return kept
  }
}

interface NewestOffsets {
  readonly offsets: ReadonlyMap<string, number>
  /** All records before this offset were read for `offsets`. */
  readonly end: number
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
}

/** The approximate memory of one map entry, without the key. */
const entryBytes = 64
