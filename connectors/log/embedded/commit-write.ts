import { type CommitPoint, Handed } from '../../../processor/ports.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import type { Rocks, RocksChange } from '../../rocksdb/rocks.ts'
import { type Change, together } from './change.ts'
import type { CommitMark } from './commit-mark.ts'
import { positionKey, runKey, stateKey } from './keys.ts'
import type { Partition, TailRecord } from './partition.ts'
import { encodeRun, type StoredRecord } from './record-run.ts'
import type { SegmentUses } from './segment-uses.ts'
import type { Segments } from './segments.ts'
import type { StoreNumbers } from './store-numbers.ts'
import { positionBytes } from './values.ts'

export interface Appended {
  readonly partition: Partition
  readonly record: TailRecord
}

/** Records, positions and state that become durable together: a task producer's commit, or records that are commits of their own. */
export interface CommitSet {
  readonly appended: readonly Appended[]
  readonly group: string
  readonly point: CommitPoint | null
  resolve(): void
  reject(error: unknown): void
}

export interface CommitDisk {
  readonly rocks: Rocks
  readonly segments: Segments
  readonly uses: SegmentUses
  readonly mark: CommitMark
  readonly storeNumbers: StoreNumbers
}

/** Writes all sets atomically, and settles when they are durable. Large values must lie in segments already. */
export async function writeCommit(sets: readonly CommitSet[], { rocks, segments, uses, mark, storeNumbers }: CommitDisk): Promise<void> {
  const changes: RocksChange[] = []
  const added: Change[] = []
  const counted = new Map<Partition, number>()
  const byPartition = new Map<Partition, TailRecord[]>()
  for (const { appended, group, point } of sets) {
    for (const one of appended) {
      const records = byPartition.get(one.partition)
      if (records === undefined) byPartition.set(one.partition, [one.record])
      else records.push(one.record)
    }
    for (const position of point?.positions ?? []) {
      changes.push([positionKey(position.group ?? group, position.topic, position.partition), positionBytes(position.offset, position.metadata)])
    }
    for (const { task, store, entries } of point?.state ?? []) {
      const number = storeNumbers.take(task, store, changes)
      for (const [key, value] of entries) changes.push([stateKey(number, key), value])
    }
  }
  for (const [partition, records] of byPartition) {
    records.sort((a, b) => a.offset - b.offset)
    const { topicNumber, number } = partition
    counted.set(partition, partition.bytes)
    for (const run of runsOf(records)) {
      const bytes = encodeRun(run)
      changes.push([runKey(topicNumber, number, run[0]?.offset ?? 0), bytes])
      // A failed write subtracts these bytes again.
      partition.bytes += bytes.length
    }
    let named = 0
    for (const { ref, offset } of records) {
      if (ref !== null) partition.bytes += ref.length
      if (ref === null || ref.segment === named) continue
      named = ref.segment
      added.push(uses.add(named, partition, records.at(-1)?.offset ?? offset))
    }
    changes.push(partition.ends())
  }
  try {
    const appended = await segments.sync()
    const { rows, apply } = together(added)
    rocks.write([...changes, ...rows])
    apply()
    const { sequence } = rocks
    await rocks.sync()
    // The mark is written after the sync, because it must not be ahead of the durable commits.
    for (const [partition, records] of byPartition) mark.end(partition.topicNumber, partition.number, (records.at(-1)?.offset ?? -1) + 1)
    for (const [segment, bytes] of appended) mark.segment(segment, bytes)
    mark.write(sequence)
  } catch (thrown) {
    for (const [partition, bytes] of counted) partition.bytes = bytes
    throw writeError(rocks.directory, thrown)
  }
}

/** Splits records into runs. A reader decodes whole runs, so they are kept small. */
function runsOf(records: readonly TailRecord[]): readonly (readonly StoredRecord[])[] {
  const runs: StoredRecord[][] = []
  let bytes = 0
  for (const record of records) {
    const last = runs.at(-1)
    const one = stored(record)
    const size = 64 + (one.value instanceof Uint8Array ? one.value.length : 0)
    if (last === undefined || last.length === maxRunRecords || bytes + size > maxRunBytes) {
      runs.push([one])
      bytes = size
    } else {
      last.push(one)
      bytes += size
    }
  }
  return runs
}

const maxRunRecords = 256
const maxRunBytes = 64 * 1024

function stored(record: TailRecord): StoredRecord {
  const { offset, timestamp, key, value, headers, ref } = record
  return { offset, timestamp, key, headers, value: ref ?? (value instanceof Handed ? value.bytes : value) }
}

export function writeError(directory: string, thrown: unknown): WaggleError {
  const said = thrown instanceof Error ? `${thrown.message} ${(thrown.cause as Error | undefined)?.message ?? ''}` : String(thrown)
  if (/ENOSPC|no space left/i.test(said)) {
    return new WaggleError('WAGGLE_DISK_FULL', {
      message: `There is no room left on the disk of ${directory}`,
      next: 'Make room: Waggle goes on by itself.',
      cause: thrown,
    })
  }
  return new WaggleError('WAGGLE_LOG_WRITE_FAILED', {
    message: `${directory} cannot be written: ${said.trim()}`,
    next: 'See that the disk is healthy and writable.',
    cause: thrown,
  })
}
