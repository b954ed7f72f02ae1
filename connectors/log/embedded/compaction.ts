import type { Rocks, RocksChange } from '../../rocksdb/rocks.ts'
import { offsetOfRunKey, runKey } from './keys.ts'
import type { Partition } from './partition.ts'
import { bytesOfRun, encodeRun, type StoredRecord, storedRecords } from './record-run.ts'
import type { SegmentUses } from './segment-uses.ts'

/**
 * Deletes a record of a compacted topic when a newer record has the same key. Offsets do not change, as on Kafka. A partition is compacted when it
 * has more new records than the last compaction left in it.
 */
export class Compaction {
  readonly #uses: SegmentUses
  readonly #last = new WeakMap<Partition, { readonly end: number; readonly kept: number }>()

  constructor(uses: SegmentUses) {
    this.#uses = uses
  }

  /**
   * Adds the deletions of one compaction to `changes`. Records from `floor` on stay, because some reader has not read them. No commit may be running.
   */
  compact(partition: Partition, { disk, floor, changes }: { readonly disk: Rocks; readonly floor: number; readonly changes: RocksChange[] }): void {
    const last = this.#last.get(partition) ?? { end: partition.start, kept: 0 }
    if (partition.durableEnd - last.end <= last.kept) return
    const newest = new Map<string, number>()
    for (const { records } of runsOf(partition, disk)) {
      for (const { key, offset } of records) if (key !== null) newest.set(Buffer.from(key).toString('latin1'), offset)
    }
    const lasts = new Map<number, number>()
    let kept = 0
    let bytes = 0
    for (const { at, run, records } of runsOf(partition, disk)) {
      const stay = records.filter(({ key, offset }) => offset >= floor || key === null || newest.get(Buffer.from(key).toString('latin1')) === offset)
      const [first] = stay
      kept += stay.length
      for (const { value, offset } of stay) if (value !== null && !(value instanceof Uint8Array)) lasts.set(value.segment, offset)
      const left = stay.length === records.length || first === undefined ? run : encodeRun(stay)
      if (first !== undefined) bytes += bytesOfRun(first.offset, left)
      if (left === run && first !== undefined) continue
      changes.push([at, null])
      if (first !== undefined) changes.push([runKey(partition.topicNumber, partition.number, first.offset), left])
    }
    this.#last.set(partition, { end: partition.durableEnd, kept })
    partition.bytes = bytes
    this.#uses.replace(partition, lasts, changes)
    changes.push(partition.ends())
  }
}

function* runsOf(
  { topicNumber, number, start, durableEnd }: Partition,
  disk: Rocks,
): IterableIterator<{ readonly at: Uint8Array; readonly run: Uint8Array; readonly records: readonly StoredRecord[] }> {
  for (const [at, run] of disk.range(runKey(topicNumber, number, start), runKey(topicNumber, number, durableEnd))) {
    yield { at, run, records: storedRecords(offsetOfRunKey(at), run) }
  }
}
