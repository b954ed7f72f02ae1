import type { Rocks } from '../../rocksdb/rocks.ts'
import { offsetOfRunKey, runKey } from './keys.ts'
import type { Partition } from './partition.ts'
import { isPayload, type StoredRecord, storedRecords } from './record-run.ts'

/** A run of records in the database. */
export interface StoredRun {
  readonly key: Uint8Array
  readonly bytes: Uint8Array
  /** The records of the run. There is at least one. */
  readonly records: readonly StoredRecord[]
  /** The offset after the last record. */
  readonly end: number
  /** The bytes of the run, and of the large values that it names. */
  readonly size: number
}

/** The runs that begin at `from` or later and before `to`. */
export function* storedRuns({ topicNumber, number }: Partition, from: number, to: number, rocks: Rocks): IterableIterator<StoredRun> {
  for (const [key, bytes] of rocks.range(runKey(topicNumber, number, from), runKey(topicNumber, number, to))) {
    const records = storedRecords(offsetOfRunKey(key), bytes)
    const end = (records.at(-1)?.offset ?? -1) + 1
    if (end > 0) yield { key, bytes, records, end, size: bytes.length + payloadBytes(records) }
  }
}

export function payloadBytes(records: readonly StoredRecord[]): number {
  let bytes = 0
  for (const { value } of records) if (isPayload(value)) bytes += value.length
  return bytes
}

/** The number of runs that are read in one turn of the event loop. A run has at most 256 records and about 64 KiB. */
export const runsATurn = 16

/** Settles in a later turn of the event loop, after other waiting work has run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
