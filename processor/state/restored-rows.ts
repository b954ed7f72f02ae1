import { Serdes } from '../../topology/serdes.ts'
import type { KeptStore } from '../../topology/state-store.ts'
import { bytesIn, type LogRecord, type StoreBytes } from '../ports.ts'
import { Changelog, type RowChange, segmentMsOf } from './changelog.ts'
import { LastOfEachKey } from './last-of-each-key.ts'
import { segmentBound } from './segmented-store.ts'
import { TaskMemory } from './task-memory.ts'
import { SegmentedVersionedStore, type Version, versionSerde } from './versioned-store.ts'
import { WriteBackStore } from './write-back-store.ts'

/**
 * Turns changelog records into a store's rows. From the same records it finds the numbers that the store keeps beside its rows: stream time, and the
 * sequence of duplicates.
 */
export interface RestoredRows {
  add(records: readonly LogRecord[]): void
  readonly isEmpty: boolean
  /** True if the rows should be written before more records are added. */
  readonly isFull: boolean
  /** Takes the changes made by the records since the last call. */
  take(): Iterable<RowChange>
  /** The key below which all rows have expired, by the records since the last call. Null if nothing has expired, or if rows expire one by one. */
  takeFloor(): Uint8Array | null
  /** The numbers that the store keeps beside its rows, each with its name. */
  readonly numbers: readonly (readonly [name: string, value: number, ...more: readonly unknown[]])[]
}

/** `kept`: the numbers that the disk has beside the rows that are there already. */
export function restoredRows(store: KeptStore, bytes: StoreBytes, kept: ReadonlyMap<string, number>): RestoredRows {
  return store.kind === 'versioned' ? new RestoredVersions(store, bytes, kept) : new PlainRows(store, kept)
}

class PlainRows implements RestoredRows {
  readonly #store: KeptStore
  readonly #changelog: Changelog
  readonly #last = new LastOfEachKey()
  readonly #segmentMs: number
  #added = 0
  /** The last result of `takeFloor`. Segments before it are deleted. */
  #dropped = 0
  #time: number
  #sequence: number

  constructor(store: KeptStore, kept: ReadonlyMap<string, number>) {
    this.#store = store
    this.#changelog = new Changelog(store)
    this.#segmentMs = segmentMsOf(store.retentionMs ?? Number.MAX_SAFE_INTEGER)
    this.#time = kept.get(`${store.name}.time`) ?? -1
    this.#sequence = kept.get(`${store.name}.sequence`) ?? -1
  }

  get numbers(): RestoredRows['numbers'] {
    const { name } = this.#store
    return [
      ...(this.#time < 0 ? [] : [[`${name}.time`, this.#time] as const]),
      ...(this.#sequence < 0 ? [] : [[`${name}.sequence`, this.#sequence] as const]),
    ]
  }

  get isEmpty(): boolean {
    return this.#last.size === 0
  }

  get isFull(): boolean {
    return this.#added >= manyRecords || this.#last.size >= manyRows || this.#last.bytes >= manyBytes
  }

  add(records: readonly LogRecord[]): void {
    const { kind, retainDuplicates } = this.#store
    this.#added += records.length
    for (const { key, value, timestamp } of records) {
      // No store writes a record without a key or with so short a key. Another program has written this record into the changelog.
      if (key === null || key.length < this.#changelog.minKeyBytes) continue
      this.#last.add(key, bytesIn(value), timestamp)
      if (kind === 'keyValue') continue
      this.#time = Math.max(this.#time, this.#changelog.timeOf(key))
      if (retainDuplicates) this.#sequence = Math.max(this.#sequence, Buffer.from(key.buffer, key.byteOffset).readInt32BE(key.length - 4))
    }
  }

  *take(): Iterable<RowChange> {
    this.#added = 0
    const live = this.#live
    for (const last of this.#last.take())
      if (live <= 0 || this.#segmentOf(this.#changelog.timeOf(last.key)) >= live) yield this.#changelog.rowOf(last)
  }

  takeFloor(): Uint8Array | null {
    const live = this.#live
    if (live <= this.#dropped) return null
    this.#dropped = live
    return segmentBound(live)
  }

  /** The oldest segment that the store keeps; 0 if the store keeps all segments. */
  get #live(): number {
    const { kind, retentionMs } = this.#store
    return kind === 'keyValue' || retentionMs === null || this.#time < 0 ? 0 : Math.max(0, this.#segmentOf(this.#time - retentionMs))
  }

  #segmentOf(time: number): number {
    return Math.floor(time / this.#segmentMs)
  }
}

/** Restores a versioned store by putting all versions again, in their order. */
class RestoredVersions implements RestoredRows {
  readonly #memory: TaskMemory
  readonly #rows: WriteBackStore<Uint8Array, Version>
  readonly #store: SegmentedVersionedStore<Uint8Array, Uint8Array>
  #added = 0

  constructor(store: KeptStore, disk: StoreBytes, kept: ReadonlyMap<string, number>) {
    const time = `${store.name}.time`
    this.#memory = new TaskMemory([[time, kept.get(time) ?? -1]])
    const raw = { ...store, key: Serdes.bytes(), value: Serdes.bytes() }
    const options = { topic: '', maxEntries: cachedVersions, memory: this.#memory }
    this.#rows = new WriteBackStore({ ...raw, value: versionSerde(Serdes.bytes() as never) }, disk, options)
    this.#store = new SegmentedVersionedStore(raw, this.#rows, options)
  }

  get numbers(): RestoredRows['numbers'] {
    return this.#memory.numbers
  }

  get isEmpty(): boolean {
    return this.#added === 0
  }

  get isFull(): boolean {
    return this.#added >= manyVersions
  }

  add(records: readonly LogRecord[]): void {
    this.#added += records.length
    for (const { key, value, timestamp } of records) if (key !== null) this.#store.put(key, bytesIn(value), timestamp)
  }

  take(): Iterable<RowChange> {
    this.#added = 0
    const changes = this.#rows.takeChanges()
    this.#rows.committed()
    return changes
  }

  takeFloor(): null {
    return null
  }
}

const cachedVersions = 10_000
const manyVersions = 1000
/** The number of records after which rows are written. After a crash at most this many records are read again. */
const manyRecords = 250_000
const manyRows = 20_000
const manyBytes = 16 * 1024 * 1024
