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
  #sorted: string[] | null = null

  get(key: Uint8Array): Uint8Array | null {
    return this.#entries.get(nameOf(key)) ?? null
  }

  getMany(keys: readonly Uint8Array[]): readonly (Uint8Array | null)[] {
    return keys.map((key) => this.get(key))
  }

  *range(from: Uint8Array | null, to: Uint8Array | null, { reverse = false } = {}): IterableIterator<readonly [Uint8Array, Uint8Array]> {
    this.#sorted ??= [...this.#entries.keys()].sort()
    const low = from === null ? '' : nameOf(from)
    const high = to === null ? null : nameOf(to)
    const names = this.#sorted.filter((name) => name >= low && (high === null || name < high))
    for (const name of reverse ? names.reverse() : names) {
      const value = this.#entries.get(name)
      if (value !== undefined) yield [Buffer.from(name, 'latin1'), value]
    }
  }

  change(key: Uint8Array, value: Uint8Array | null): void {
    this.#sorted = null
    if (value === null) this.#entries.delete(nameOf(key))
    else this.#entries.set(nameOf(key), value)
  }
}

/** One character a byte, so that strings sort as bytes do. */
function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
