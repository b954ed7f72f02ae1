import { type LogRecord, type ProducerRecord, recordMemory, valueBytes } from '../../../processor/ports.ts'
import type { Rocks } from '../../rocksdb/rocks.ts'
import { offsetOfRunKey, runKey } from './keys.ts'
import { decodeRun } from './record-run.ts'
import type { SegmentRef, Segments } from './segments.ts'

/** A record that is still in memory. */
export interface TailRecord extends LogRecord {
  /** Its producer; null for one that stands for itself. */
  readonly owner: object | null
  durable: boolean
  /** Taken back: it will never be durable. */
  dropped: boolean
  readonly bytes: number
  /** Where a large value was put ahead of the commit. */
  ref: SegmentRef | null
}

/** Reads on its way through a partition; it holds the tail's memory from being let go. */
export interface Watcher {
  /** Next offset wanted of this partition. */
  positionOf(partition: Partition): number
  notify(): void
}

/**
 * One partition: a tail in memory, which holds all that is not durable and what readers have not taken yet, over runs on disk.
 */
export class Partition {
  readonly topic: string
  readonly topicNumber: number
  readonly number: number
  readonly watchers = new Set<Watcher>()
  start: number
  /** Offset that the next record gets. */
  next: number
  /** Everything before it is durable. */
  durableEnd: number
  #tail: TailRecord[] = []
  readonly #left = new Map<number, readonly LogRecord[]>()
  #tailBytes = 0

  constructor(topic: string, topicNumber: number, number: number, ends: { readonly start: number; readonly end: number }) {
    this.topic = topic
    this.topicNumber = topicNumber
    this.number = number
    this.start = ends.start
    this.next = ends.end
    this.durableEnd = ends.end
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
    for (const watcher of this.watchers) watcher.notify()
  }

  /** Called when records became durable: moves the durable end, and lets go what nobody will take from memory. */
  settle(): void {
    let at = this.#indexOf(this.durableEnd)
    while (this.#tail[at]?.durable) at++
    this.durableEnd = this.#tail[at]?.offset ?? this.next
    this.letGo(Number.POSITIVE_INFINITY)
  }

  /** Something durable is still in memory: a reader has not come to it. */
  get holdsDurable(): boolean {
    const first = this.#tail[0]
    return first !== undefined && first.offset < this.durableEnd
  }

  /** Lets go durable records that every reader has taken, and the oldest of the others while the tail takes more than `maxBytes`. */
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

  /** Timestamp of the record at this offset, or of the first one after it; null where there is none. */
  timeOf(offset: number, disk: Rocks): number | null {
    const first = this.#tail[0]
    if (first !== undefined && offset >= first.offset) return this.#tail[this.#indexOf(offset)]?.timestamp ?? null
    const from = this.#runAt(offset, disk)
    for (const [key, run] of disk.range(from, runKey(this.topicNumber, this.number, this.durableEnd))) {
      const record = decodeRun(offsetOfRunKey(key), run, () => nothing).find((one) => one.offset >= offset)
      if (record !== undefined) return record.timestamp
    }
    return first?.timestamp ?? null
  }

  /** Where the run begins that this offset lies in, or that is the last before it; its start where there is none. */
  firstOfRun(offset: number, disk: Rocks): number {
    const key = this.#runAt(offset, disk)
    return Math.min(offset, offsetOfRunKey(key))
  }

  /** Takes back what these records' producers dropped: offsets that were given out stay unused. */
  remove(dropped: (record: TailRecord) => boolean): void {
    this.#tail = this.#tail.filter((record) => {
      if (record.durable || !dropped(record)) return true
      this.#tailBytes -= record.bytes
      record.dropped = true
      return false
    })
    this.settle()
  }

  /** Up to `limit` records from `offset` on, before `end`. Empty where there is none. */
  read(offset: number, end: number, limit: number, disk: Rocks, segments: Segments): readonly LogRecord[] {
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
    // Between what is stored and the tail there may be nothing but offsets of aborted commits.
    if (stored.length > 0 || first === undefined) return stored
    return this.read(first.offset, end, limit, disk, segments)
  }

  #readDisk(offset: number, end: number, limit: number, disk: Rocks, segments: Segments): readonly LogRecord[] {
    const rest = this.#left.get(offset)
    this.#left.delete(offset)
    const records: LogRecord[] = []
    let bytes = 0
    let full = false
    const take = (run: readonly LogRecord[]): void => {
      for (const [at, record] of run.entries()) {
        if (record.offset < offset) continue
        full = record.offset >= end || records.length === limit || bytes > maxReadBytes
        if (full) {
          this.#leave(record.offset, run.slice(at))
          return
        }
        records.push(record)
        bytes += valueBytes(record.value)
      }
    }
    if (rest !== undefined) take(rest)
    if (full) return records
    const from = rest === undefined ? this.#runAt(offset, disk) : runKey(this.topicNumber, this.number, (rest.at(-1)?.offset ?? offset - 1) + 1)
    const payload = (ref: SegmentRef) => segments.payload(ref)
    for (const [key, run] of disk.range(from, runKey(this.topicNumber, this.number, end))) {
      take(decodeRun(offsetOfRunKey(key), run, payload))
      if (full) return records
    }
    const last = records.at(-1)
    if (last !== undefined) this.#leave(last.offset + 1, [])
    return records
  }

  /** Where a reader will go on: with the rest of a run, which need not be decoded again, or (empty) with the run that comes next. */
  #leave(offset: number, rest: readonly LogRecord[]): void {
    if (this.#left.size >= maxLeft) this.#left.delete(this.#left.keys().next().value ?? 0)
    this.#left.set(offset, rest)
  }

  /** The key of the run that `offset` lies in, or of the first one after it. */
  #runAt(offset: number, disk: Rocks): Uint8Array {
    for (const [key] of disk.range(runKey(this.topicNumber, this.number, 0), runKey(this.topicNumber, this.number, offset + 1), { reverse: true }))
      return key
    return runKey(this.topicNumber, this.number, offset)
  }

  /** Index of the first record at or after `offset`. */
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

/** Readers of one partition that are behind its tail at the same time; more of them decode runs again. */
const maxLeft = 8
/** Past it a read or a poll ends with the record in hand. */
export const maxReadBytes = 8 * 1024 * 1024
const nothing = new Uint8Array(0)
