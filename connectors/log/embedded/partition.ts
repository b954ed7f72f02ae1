import { type LogRecord, type ProducerRecord, recordMemory, valueBytes } from '../../../processor/ports.ts'
import type { Rocks, RocksChange } from '../../rocksdb/rocks.ts'
import { endsKey, offsetOfRunKey, runKey } from './keys.ts'
import { firstTimestamp, isPayload, type StoredRecord, storedRecords } from './record-run.ts'
import type { SegmentRef, Segments } from './segments.ts'
import { endsBytes, type PartitionEnds } from './values.ts'

export interface TailRecord extends LogRecord {
  /** The producer of the record; null for a record outside a task's commit. */
  readonly owner: object | null
  durable: boolean
  /** True for a record that its producer took back. Such a record never becomes durable. */
  dropped: boolean
  readonly bytes: number
  /** The location of a large value in a segment; null for a small one. */
  ref: SegmentRef | null
}

/** A reader of partitions. Records that it has not read stay in memory while there is room. */
export interface Watcher {
  /** The offset of the next record that the reader wants from this partition. */
  positionOf(partition: Partition): number
  /** Called when the partition may have new records. */
  notify(partition: Partition): void
}

/**
 * Reads up to `limit` records of a partition from `offset` on, before `end`. With `skipsLarge`, large values on the disk are not read, and are empty.
 */
export type ReadPartition = (partition: Partition, offset: number, end: number, limit: number, skipsLarge?: boolean) => readonly LogRecord[]

/**
 * One partition of a topic. New records are in memory, in the tail of the partition, until they are durable and every reader has read them. Durable
 * records are also on the disk, in runs.
 */
export class Partition {
  readonly topic: string
  readonly topicNumber: number
  readonly number: number
  readonly watchers = new Set<Watcher>()
  start: number
  /** The offset of the next record. */
  next: number
  /** All records before this offset are durable. */
  durableEnd: number
  /** The size of the durable records in bytes, with large values; NaN if the size is not known. */
  bytes: number
  /** True once the topic is deleted from the database. Records of open commits are then not written. */
  isRemoved = false
  #tail: TailRecord[] = []
  readonly #left = new Map<number, readonly StoredRecord[]>()
  #tailBytes = 0

  constructor(topic: string, topicNumber: number, number: number, ends: PartitionEnds) {
    this.topic = topic
    this.topicNumber = topicNumber
    this.number = number
    this.start = ends.start
    this.next = ends.end
    this.durableEnd = ends.end
    this.bytes = ends.bytes
  }

  /**
   * The database's entry for this partition, with another start or size if given. The entry's `end` is `next`, not `durableEnd`: records that follow
   * the records of an open commit may be durable already. After a restart, no new record may get the offset of such a record.
   */
  ends({ start = this.start, bytes = this.bytes }: Partial<Pick<PartitionEnds, 'start' | 'bytes'>> = {}): RocksChange {
    return [endsKey(this.topicNumber, this.number), endsBytes({ start, end: this.next, bytes })]
  }

  get tailBytes(): number {
    return this.#tailBytes
  }

  append(record: ProducerRecord, owner: object | null): TailRecord {
    const { timestamp, key, value, headers } = record
    const bytes = recordMemory(record)
    const tail: TailRecord = { offset: this.next++, timestamp, key, value, headers, owner, durable: false, dropped: false, bytes, ref: null }
    this.#tail.push(tail)
    this.#tailBytes += bytes
    return tail
  }

  notify(): void {
    for (const watcher of this.watchers) watcher.notify(this)
  }

  /** Moves `durableEnd` after a sync, and drops records from memory that no reader needs. */
  advanceDurableEnd(): void {
    let at = this.#indexOf(this.durableEnd)
    while (this.#tail[at]?.durable) at++
    this.durableEnd = this.#tail[at]?.offset ?? this.next
    this.letGo(Number.POSITIVE_INFINITY)
  }

  /** True if the tail holds durable records, because a reader has not read them. */
  get holdsDurable(): boolean {
    const first = this.#tail[0]
    return first !== undefined && first.offset < this.durableEnd
  }

  /**
   * Drops durable records that every reader has read. If the tail is still larger than `maxBytes`, drops the oldest durable records of the tail too.
   */
  letGo(maxBytes: number): void {
    let wanted = this.durableEnd
    for (const watcher of this.watchers) wanted = Math.min(wanted, watcher.positionOf(this))
    let drop = 0
    let bytes = 0
    for (const record of this.#tail) {
      const mayGo = record.offset < wanted || this.#tailBytes - bytes > maxBytes
      if (!record.durable || record.offset >= this.durableEnd || !mayGo) break
      bytes += record.bytes
      drop++
    }
    if (drop === 0) return
    this.#tail = this.#tail.slice(drop)
    this.#tailBytes -= bytes
  }

  /** The timestamp of the first record at or after this offset; null if there is none. */
  timeOf(offset: number, disk: Rocks): number | null {
    const first = this.#tail[0]
    if (first !== undefined && offset >= first.offset) return this.#tail[this.#indexOf(offset)]?.timestamp ?? null
    const from = this.#runAt(offset, disk)
    for (const [key, run] of disk.range(from, runKey(this.topicNumber, this.number, this.durableEnd))) {
      const record = storedRecords(offsetOfRunKey(key), run).find((one) => one.offset >= offset)
      if (record !== undefined) return record.timestamp
    }
    return first?.timestamp ?? null
  }

  /**
   * An offset at or before the first record with this timestamp or a later timestamp. It is the first offset of a run, found by a binary search, as
   * if timestamps grew with offsets. Only the first record of a run is decoded.
   */
  offsetAt(timestamp: number, disk: Rocks): number {
    let [low, high] = [this.start, this.durableEnd]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (this.#timeAtRun(middle, disk) >= timestamp) high = middle
      else low = middle + 1
    }
    // The run before may end with records of this timestamp or later.
    return Math.max(this.start, this.firstOfRun(low - 1, disk))
  }

  #timeAtRun(offset: number, disk: Rocks): number {
    const first = this.#tail[0]
    if (first !== undefined && offset >= first.offset) return this.#tail[this.#indexOf(offset)]?.timestamp ?? Number.POSITIVE_INFINITY
    for (const [, run] of disk.range(this.#runAt(offset, disk), runKey(this.topicNumber, this.number, this.durableEnd))) return firstTimestamp(run)
    return first?.timestamp ?? Number.POSITIVE_INFINITY
  }

  /**
   * The first offset of the run that contains this offset. If no run contains the offset: the first offset of the run before it, or else the offset
   * itself.
   */
  firstOfRun(offset: number, disk: Rocks): number {
    const key = this.#runAt(offset, disk)
    return Math.min(offset, offsetOfRunKey(key))
  }

  /** True if a reader has already read a record that passes the test `some`. */
  isRead(some: (record: TailRecord) => boolean): boolean {
    let read = 0
    for (const watcher of this.watchers) read = Math.max(read, watcher.positionOf(this))
    return this.#tail.some((record) => record.offset < read && some(record))
  }

  /** Removes the records that their producers have dropped. Their offsets stay unused. */
  remove(dropped: (record: TailRecord) => boolean): void {
    this.#tail = this.#tail.filter((record) => {
      if (record.durable || !dropped(record)) return true
      this.#tailBytes -= record.bytes
      record.dropped = true
      return false
    })
    const before = this.durableEnd
    this.advanceDurableEnd()
    // Readers can now get the records after the removed ones. No commit will notify them of these records, so this method does.
    if (this.durableEnd > before) this.notify()
  }

  /** Reads at most `limit` records from `offset` (inclusive) to `end` (exclusive). `segments` is null if large values are not needed. */
  read(offset: number, end: number, limit: number, disk: Rocks, segments: Segments | null): readonly LogRecord[] {
    if (offset >= end) return []
    const first = this.#tail[0]
    if (first !== undefined && offset >= first.offset) {
      const from = this.#indexOf(offset)
      const last = Math.min(this.#tail.length, from + limit)
      let to = from
      let bytes = 0
      for (let record = this.#tail[to]; to < last && record !== undefined && record.offset < end && bytes <= maxReadBytes; record = this.#tail[to]) {
        bytes += valueBytes(record.value)
        to++
      }
      return this.#tail.slice(from, to)
    }
    const stored = this.#readDisk(Math.max(offset, this.start), Math.min(end, first?.offset ?? end), limit, disk, segments)
    // The offsets between the last stored record and the tail belong to aborted commits, and have no records.
    if (stored.length > 0 || first === undefined) return stored
    return this.read(first.offset, end, limit, disk, segments)
  }

  #readDisk(offset: number, end: number, limit: number, disk: Rocks, segments: Segments | null): readonly LogRecord[] {
    const rest = this.#left.get(offset)
    this.#left.delete(offset)
    const records: LogRecord[] = []
    let bytes = 0
    let full = false
    const take = (run: readonly StoredRecord[]): void => {
      for (const [at, record] of run.entries()) {
        if (record.offset < offset) continue
        full = record.offset >= end || records.length === limit || bytes > maxReadBytes
        if (full) {
          this.#leave(record.offset, run.slice(at))
          return
        }
        const value = isPayload(record.value) ? (segments?.payload(record.value) ?? nothing) : record.value
        records.push({ ...record, value })
        bytes += valueBytes(value)
      }
    }
    if (rest !== undefined) take(rest)
    if (full) return records
    const from = rest === undefined ? this.#runAt(offset, disk) : runKey(this.topicNumber, this.number, (rest.at(-1)?.offset ?? offset - 1) + 1)
    for (const [key, run] of disk.range(from, runKey(this.topicNumber, this.number, end))) {
      take(storedRecords(offsetOfRunKey(key), run))
      if (full) return records
    }
    const last = records.at(-1)
    if (last !== undefined) this.#leave(last.offset + 1, [])
    return records
  }

  /** Keeps the rest of a decoded run for the reader that continues at `offset`, so that the run is decoded once. */
  #leave(offset: number, rest: readonly StoredRecord[]): void {
    if (this.#left.size >= maxLeft) this.#left.delete(this.#left.keys().next().value ?? 0)
    this.#left.set(offset, rest)
  }

  /** The key of the run that contains `offset`. If no run contains the offset: the key of the run before it, or else a key for the offset itself. */
  #runAt(offset: number, disk: Rocks): Uint8Array {
    for (const [key] of disk.range(runKey(this.topicNumber, this.number, 0), runKey(this.topicNumber, this.number, offset + 1), { reverse: true }))
      return key
    return runKey(this.topicNumber, this.number, offset)
  }

  #indexOf(offset: number): number {
    let low = 0
    let high = this.#tail.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#tail[middle]?.offset ?? 0) < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The most readers behind the tail for which the rest of a decoded run is kept. For further readers, runs are decoded again. */
const maxLeft = 8
/** A read or poll ends after the record that reaches this size. */
export const maxReadBytes = 8 * 1024 * 1024
const nothing = new Uint8Array(0)
