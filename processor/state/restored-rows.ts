import { Serdes } from '../../topology/serdes.ts'
import type { KeptStore } from '../../topology/state-store.ts'
import { Handed, type LogRecord, type StoreBytes } from '../ports.ts'
import { Changelog, type RowChange } from './changelog.ts'
import { TaskMemory } from './task-memory.ts'
import { SegmentedVersionedStore, type Version, versionSerde } from './versioned-store.ts'
import { WriteBackStore } from './write-back-store.ts'

/** Makes a store's rows of its changelog's records, and learns the numbers that the store keeps on the way. */
export interface RestoredRows {
  /** What these records, the next ones, change. To be written before the next call. */
  take(records: readonly LogRecord[]): readonly RowChange[]
  /** By the names that the store keeps them under. */
  readonly numbers: readonly (readonly [name: string, value: number, ...more: readonly unknown[]])[]
}

/** `kept` is what the rows that are there already have brought the numbers to. */
export function restoredRows(store: KeptStore, bytes: StoreBytes, kept: ReadonlyMap<string, number>): RestoredRows {
  return store.kind === 'versioned' ? new RestoredVersions(store, bytes, kept) : new PlainRows(store, kept)
}

class PlainRows implements RestoredRows {
  readonly #store: KeptStore
  readonly #changelog: Changelog
  #time: number
  #sequence: number

  constructor(store: KeptStore, kept: ReadonlyMap<string, number>) {
    this.#store = store
    this.#changelog = new Changelog(store)
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

  take(records: readonly LogRecord[]): readonly RowChange[] {
    const rows: RowChange[] = []
    const { kind, retainDuplicates } = this.#store
    for (const { key, value, timestamp } of records) {
      if (key === null) continue
      rows.push(this.#changelog.rowOf({ key, value: bytesOf(value), timestamp }))
      if (kind === 'keyValue') continue
      this.#time = Math.max(this.#time, this.#changelog.timeOf(key))
      if (retainDuplicates) this.#sequence = Math.max(this.#sequence, Buffer.from(key.buffer, key.byteOffset).readInt32BE(key.length - 4))
    }
    return rows
  }
}

/** Versions are put again, in their order. */
class RestoredVersions implements RestoredRows {
  readonly #memory: TaskMemory
  readonly #rows: WriteBackStore<Uint8Array, Version>
  readonly #store: SegmentedVersionedStore<Uint8Array, Uint8Array>

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

  take(records: readonly LogRecord[]): readonly RowChange[] {
    for (const { key, value, timestamp } of records) if (key !== null) this.#store.put(key, bytesOf(value), timestamp)
    const changes = this.#rows.takeChanges()
    this.#rows.committed()
    return changes
  }
}

function bytesOf(value: LogRecord['value']): Uint8Array | null {
  return value instanceof Handed ? value.bytes : value
}

const cachedVersions = 10_000
