import { bytesIn, type CommitPoint } from '../../../processor/ports.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import type { Rocks, RocksChange } from '../../rocksdb/rocks.ts'
import type { ByteWriter } from './byte-writer.ts'
import { type Change, together } from './change.ts'
import type { CommitMark } from './commit-mark.ts'
import { positionKey, runKey, stateKey } from './keys.ts'
import type { Partition, TailRecord } from './partition.ts'
import { encodeRun, type StoredRecord } from './record-run.ts'
import type { SegmentUses } from './segment-uses.ts'
import type { Segments } from './segments.ts'
import type { StoreIds } from './store-ids.ts'
import { positionBytes } from './values.ts'

export interface Appended {
  readonly partition: Partition
  readonly record: TailRecord
}

/** The content of one task commit: records, positions and state. Or records that commit by themselves. */
export interface PendingCommit {
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
  readonly storeIds: StoreIds
  /** The memory into which the runs are encoded. It must stay unchanged until the commit is in the database. */
  readonly writer: ByteWriter
}

/** Writes all pending commits in one atomic write. Settles when they are durable. Large payloads must be in segments already. */
export async function writeCommit(sets: readonly PendingCommit[], { rocks, segments, uses, mark, storeIds, writer }: CommitDisk): Promise<void> {
  const changes: RocksChange[] = []
  const added: Change[] = []
  const shares = sharesOf(sets)
  for (const { group, point } of sets) {
    if (point === null) continue
    for (const position of point.positions) {
      changes.push([positionKey(position.group ?? group, position.topic, position.partition), positionBytes(position.offset, position.metadata)])
    }
    for (const { task, store, entries } of point.state) {
      const number = storeIds.take(task, store, changes)
      for (const [key, value] of entries) changes.push([stateKey(number, key), value])
    }
  }
  writer.reuse()
  for (const { partition, records } of shares) {
    for (let from = 0; from < records.length; ) {
      const run = runFrom(records, from)
      from += run.length
      const bytes = encodeRun(run, writer)
      changes.push([runKey(partition.topicNumber, partition.number, run[0]?.offset ?? 0), bytes])
      // If the write fails, these bytes are subtracted again.
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
    changes.push(...rows)
    rocks.write(changes)
    apply()
    const { sequence } = rocks
    await rocks.sync()
    // The mark is written after the sync, because it must not be ahead of the durable commits.
    for (const { partition, records } of shares) mark.end(partition.topicNumber, partition.number, (records.at(-1)?.offset ?? -1) + 1)
    for (const [segment, bytes] of appended) mark.segment(segment, bytes)
    mark.write(sequence)
  } catch (thrown) {
    for (const { partition, bytesBefore } of shares) partition.bytes = bytesBefore
    throw writeError(rocks.directory, thrown)
  }
}

/** The records that a commit writes to one partition, in the order of their offsets. */
interface PartitionShare {
  readonly partition: Partition
  readonly records: TailRecord[]
  readonly bytesBefore: number
}

function sharesOf(sets: readonly PendingCommit[]): readonly PartitionShare[] {
  const shares = new Map<Partition, PartitionShare>()
  for (const { appended } of sets) {
    for (const { partition, record } of appended) {
      // A removed topic's number may go to a new topic after a restart, so records of the removed topic must not be written.
      if (partition.isRemoved) continue
      const there = shares.get(partition)
      if (there === undefined) shares.set(partition, { partition, records: [record], bytesBefore: partition.bytes })
      else there.records.push(record)
    }
  }
  const found = [...shares.values()]
  for (const { records } of found) if (records.length > 1) records.sort((a, b) => a.offset - b.offset)
  return found
}

/** The records of the run that begins at this index. A run is kept small, because a reader decodes a whole run. */
function runFrom(records: readonly TailRecord[], from: number): readonly StoredRecord[] {
  const run: StoredRecord[] = []
  let bytes = 0
  for (let at = from; at < records.length && run.length < maxRunRecords; at++) {
    const record = records[at]
    if (record === undefined) break
    const one = stored(record)
    bytes += 64 + (one.value instanceof Uint8Array ? one.value.length : 0)
    if (bytes > maxRunBytes && run.length > 0) break
    run.push(one)
  }
  return run
}

const maxRunRecords = 256
const maxRunBytes = 64 * 1024

function stored(record: TailRecord): StoredRecord {
  const { offset, timestamp, key, value, headers, ref } = record
  return { offset, timestamp, key, headers, value: ref ?? bytesIn(value) }
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
