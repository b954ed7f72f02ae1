import { isUncommitted, type StoreEntry } from './store-entry.ts'

/**
 * Rows of a store in memory, in two generations. When the young generation is full, the rows of the old generation are dropped, except uncommitted rows, and
 * the young generation becomes the old one. A row that is used moves to the young generation. Rows before the floor have expired and are dropped too.
 */
export class EntryCache<V> {
  /** Rows before this id have expired. */
  floor = ''
  readonly #maxEntries: number
  readonly #onAged: (gone: readonly StoreEntry<V>[]) => void
  #maxYoung: number
  #young = new Map<string, StoreEntry<V>>()
  #old = new Map<string, StoreEntry<V>>()

  constructor(maxEntries: number, onAged: (gone: readonly StoreEntry<V>[]) => void) {
    this.#maxEntries = maxEntries
    this.#onAged = onAged
    this.#maxYoung = maxEntries / 2
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  *all(): IterableIterator<StoreEntry<V>> {
    yield* this.#old.values()
    yield* this.#young.values()
  }

  /** Finds an entry without counting the look-up as a use. */
  peek(id: string): StoreEntry<V> | undefined {
    return this.#young.get(id) ?? this.#old.get(id)
  }

  find(id: string): StoreEntry<V> | undefined {
    const young = this.#young.get(id)
    if (young !== undefined) return young
    const old = this.#old.get(id)
    if (old === undefined) return undefined
    this.#old.delete(id)
    this.#young.set(id, old)
    return old
  }

  add(entry: StoreEntry<V>): void {
    if (this.#young.size >= this.#maxYoung) this.#age()
    this.#young.set(entry.id, entry)
  }

  delete(entry: StoreEntry<V>): void {
    if (this.#young.get(entry.id) === entry) this.#young.delete(entry.id)
    else if (this.#old.get(entry.id) === entry) this.#old.delete(entry.id)
  }

  #age(): void {
    const [kept, gone] = [new Map<string, StoreEntry<V>>(), [] as StoreEntry<V>[]]
    for (const entry of this.#old.values()) {
      if (entry.id >= this.floor && isUncommitted(entry)) kept.set(entry.id, entry)
      else gone.push(entry)
    }
    this.#old = this.#young
    this.#young = kept
    // If there are many uncommitted entries, the young generation may become larger. Otherwise the same entries would be copied again and again.
    this.#maxYoung = Math.max(this.#maxEntries / 2, kept.size * 2)
    this.#onAged(gone)
  }
}
