import type { LogRecord, Position, StoreBytes, TopicSpec } from '../ports.ts'
import { SortedIds } from '../state/sorted-ids.ts'

export interface DurableRecord extends LogRecord {
  readonly value: Uint8Array | null
}

/** Data that survives a crash: all durable commits and sends. */
export class SimulatedDisk {
  readonly topics = new Map<string, DurableTopic>()
  /** The number of topics ever created. Topic ids are made from this number. */
  topicsMade = 0
  readonly positions = new Map<string, Position>()
  readonly #stores = new Map<string, SimulatedStore>()

  store(task: string, store: string): SimulatedStore {
    const name = JSON.stringify([task, store])
    const there = this.#stores.get(name) ?? new SimulatedStore()
    this.#stores.set(name, there)
    return there
  }

  drop(task: string, store: string): void {
    this.#stores.get(JSON.stringify([task, store]))?.clear()
  }

  dropTask(task: string): void {
    for (const [name, store] of this.#stores) if (name.startsWith(`${JSON.stringify([task]).slice(0, -1)},`)) store.clear()
  }
}

interface DurableTopic {
  readonly spec: TopicSpec
  readonly id: string
  readonly partitions: DurablePartition[]
}

export interface DurablePartition {
  records: DurableRecord[]
  start: number
  end: number
}

/** A store with its keys in the order of their bytes. */
class SimulatedStore implements StoreBytes {
  readonly #entries = new Map<string, Uint8Array>()
  #sorted = new SortedIds()

  get(key: Uint8Array): Uint8Array | null {
    return this.#entries.get(nameOf(key)) ?? null
  }

  getMany(keys: readonly Uint8Array[]): readonly (Uint8Array | null)[] {
    return keys.map((key) => this.get(key))
  }

  *range(from: Uint8Array | null, to: Uint8Array | null, { reverse = false } = {}): IterableIterator<readonly [Uint8Array, Uint8Array]> {
    // An iteration does not see later changes, like a snapshot.
    const rows = this.#sorted
      .between(from === null ? null : nameOf(from), to === null ? null : nameOf(to))
      .map((name) => [name, this.#entries.get(name)] as const)
    for (const [name, value] of reverse ? rows.reverse() : rows) if (value !== undefined) yield [Buffer.from(name, 'latin1'), value]
  }

  clearBefore(key: Uint8Array): void {
    for (const [before] of [...this.range(null, key)]) this.change(before, null)
  }

  clear(): void {
    this.#entries.clear()
    this.#sorted = new SortedIds()
  }

  change(key: Uint8Array, value: Uint8Array | null): void {
    const name = nameOf(key)
    const isThere = this.#entries.has(name)
    if (value === null) this.#entries.delete(name)
    else this.#entries.set(name, Buffer.from(value))
    if (isThere === (value !== null)) return
    if (isThere) this.#sorted.delete(name)
    else this.#sorted.add(name)
  }
}

/** Returns one character for each byte, so that strings sort as bytes do. */
function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
