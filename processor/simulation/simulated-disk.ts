import type { LogRecord, Position, StoreBytes, TopicSpec } from '../ports.ts'

export interface DurableRecord extends LogRecord {
  readonly value: Uint8Array | null
}

/** What survives a crash: everything that a commit or a send has made durable. */
export class SimulatedDisk {
  readonly topics = new Map<string, { readonly spec: TopicSpec; readonly partitions: DurablePartition[] }>()
  readonly positions = new Map<string, Position>()
  readonly #stores = new Map<string, SimulatedStore>()

  store(task: string, store: string): SimulatedStore {
    const name = JSON.stringify([task, store])
    const there = this.#stores.get(name) ?? new SimulatedStore()
    this.#stores.set(name, there)
    return there
  }
}

export interface DurablePartition {
  records: DurableRecord[]
  /** First offset kept. */
  start: number
  /** No record has this offset or a higher one. */
  end: number
}

/** Keys in the order of their bytes. */
class SimulatedStore implements StoreBytes {
  readonly #entries = new Map<string, Uint8Array>()
  readonly #sorted: string[] = []

  get(key: Uint8Array): Uint8Array | null {
    return this.#entries.get(nameOf(key)) ?? null
  }

  getMany(keys: readonly Uint8Array[]): readonly (Uint8Array | null)[] {
    return keys.map((key) => this.get(key))
  }

  *range(from: Uint8Array | null, to: Uint8Array | null, { reverse = false } = {}): IterableIterator<readonly [Uint8Array, Uint8Array]> {
    const low = from === null ? 0 : this.#placeOf(nameOf(from))
    const high = to === null ? this.#sorted.length : this.#placeOf(nameOf(to))
    // What changes while somebody iterates is not seen, as with a snapshot.
    const names = this.#sorted.slice(low, high)
    for (const name of reverse ? names.reverse() : names) {
      const value = this.#entries.get(name)
      if (value !== undefined) yield [Buffer.from(name, 'latin1'), value]
    }
  }

  change(key: Uint8Array, value: Uint8Array | null): void {
    const name = nameOf(key)
    const isThere = this.#entries.has(name)
    if (value === null) this.#entries.delete(name)
    else this.#entries.set(name, value)
    if (isThere === (value !== null)) return
    if (isThere) this.#sorted.splice(this.#placeOf(name), 1)
    else this.#sorted.splice(this.#placeOf(name), 0, name)
  }

  /** Of the first name that is not less. */
  #placeOf(name: string): number {
    let low = 0
    for (let high = this.#sorted.length; low < high; ) {
      const middle = (low + high) >>> 1
      if ((this.#sorted[middle] ?? '') < name) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** One character a byte, so that strings sort as bytes do. */
function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
