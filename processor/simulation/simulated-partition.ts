import { bytesIn, type LogRecord, type ProducerRecord } from '../ports.ts'
import type { DurablePartition } from './simulated-disk.ts'

/** A record that is appended and not durable yet. */
export interface OpenRecord extends LogRecord {
  /** The producer; null for a record that is a commit of its own. */
  readonly owner: object | null
}

/** One partition as a process sees it: durable records, then open records. */
export class SimulatedPartition {
  readonly topic: string
  readonly number: number
  readonly watchers = new Set<() => void>()
  readonly #durable: DurablePartition
  #open: OpenRecord[] = []
  #next: number

  constructor(topic: string, number: number, durable: DurablePartition) {
    this.topic = topic
    this.number = number
    this.#durable = durable
    this.#next = durable.end
  }

  get start(): number {
    return this.#durable.start
  }

  /** The offset of the first open record. Committed readers read up to this offset. */
  get durableEnd(): number {
    return this.#open[0]?.offset ?? this.#durable.end
  }

  get end(): number {
    return this.#next
  }

  append({ timestamp, key, value, headers }: ProducerRecord, owner: object | null): OpenRecord {
    const record = { offset: this.#next++, timestamp, key, value, headers, owner }
    this.#open.push(record)
    this.notify()
    return record
  }

  makeDurable(records: readonly OpenRecord[]): void {
    const decided = new Set(records)
    this.#open = this.#open.filter((record) => !decided.has(record))
    for (const { offset, timestamp, key, value, headers } of records)
      this.#durable.records.push({
        offset,
        timestamp,
        key,
        headers,
        value: bytesIn(value),
      })
    this.#durable.records.sort((a, b) => a.offset - b.offset)
    this.#durable.end = Math.max(this.#durable.end, (records.at(-1)?.offset ?? -1) + 1)
  }

  drop(isDropped: (record: OpenRecord) => boolean): void {
    this.#open = this.#open.filter((record) => !isDropped(record))
    if (this.#open.length === 0) this.#durable.end = this.#next
  }

  read(from: number, end: number, limit: number): readonly LogRecord[] {
    const all: readonly LogRecord[] = [...this.#durable.records, ...this.#open].sort((a, b) => a.offset - b.offset)
    return all.filter(({ offset }) => offset >= from && offset < end).slice(0, limit)
  }

  offsetAt(timestamp: number): number {
    return this.#durable.records.find((record) => record.timestamp >= timestamp)?.offset ?? this.durableEnd
  }

  expire(beforeMs: number): void {
    const keep = this.#durable.records.findIndex(({ timestamp }) => timestamp >= beforeMs)
    const dropped = keep < 0 ? this.#durable.records.length : keep
    if (dropped === 0) return
    this.#durable.start = (this.#durable.records[dropped - 1]?.offset ?? -1) + 1
    this.#durable.records = this.#durable.records.slice(dropped)
  }

  deleteBefore(offset: number): void {
    this.#durable.start = Math.max(this.#durable.start, Math.min(offset, this.durableEnd))
    this.#durable.records = this.#durable.records.filter((record) => record.offset >= this.#durable.start)
  }

  notify(): void {
    for (const watcher of this.watchers) watcher()
  }
}
