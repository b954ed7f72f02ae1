import { SortedIds } from './sorted-ids.ts'
import { compareIds, isUncommitted, type StoreEntry } from './store-entry.ts'

/**
 * A store's *uncommitted* entries: entries that changed since the last commit was sealed, and entries of a commit that has not succeeded yet. Only memory
 * has the current value of an uncommitted entry.
 */
export class UncommittedEntries<V> {
  readonly #onRelease: (entry: StoreEntry<V>) => void
  #dirty: StoreEntry<V>[] = []
  /** The entries of each sealed commit that has not succeeded yet, oldest commit first. */
  readonly #committing: { readonly entries: readonly StoreEntry<V>[]; readonly floor: string }[] = []
  /** Sorted ids. Only a store that is scanned needs them, because a read by key needs no order. */
  #ids: SortedIds | null = null
  #wasScanned = false

  /** `onRelease` is called with each entry that is no longer uncommitted. */
  constructor(onRelease: (entry: StoreEntry<V>) => void) {
    this.#onRelease = onRelease
  }

  add(entry: StoreEntry<V>): void {
    if (entry.dirty) return
    if (entry.commits === 0) this.#ids?.add(entry.id)
    entry.dirty = true
    this.#dirty.push(entry)
  }

  /** Seals the changes since the last call as one commit, and returns the entries of the commit. The commit also drops all rows before `floor`. */
  take(floor: string): readonly StoreEntry<V>[] {
    const entries: StoreEntry<V>[] = []
    for (const entry of this.#dirty) {
      entry.dirty = false
      if ((entry.value === null && entry.below === 'absent') || entry.id < floor) {
        if (entry.commits === 0) this.#release(entry)
        continue
      }
      // The disk has this value once the commit has succeeded. If the commit fails, the task ends.
      entry.below = entry.value === null ? 'absent' : 'present'
      entry.commits++
      entries.push(entry)
    }
    this.#dirty = []
    this.#committing.push({ entries, floor })
    if (!this.#wasScanned) this.#ids = null
    this.#wasScanned = false
    return entries
  }

  /** Called when the oldest sealed commit has succeeded. Returns the floor of that commit. */
  committed(): string {
    const { entries, floor } = this.#committing.shift() ?? { entries: [], floor: '' }
    for (const entry of entries) {
      entry.commits--
      if (!isUncommitted(entry)) this.#release(entry)
    }
    return floor
  }

  /** Drops entries below the floor, uncommitted or not. */
  forget(gone: readonly StoreEntry<V>[], floor: string): void {
    for (const { id } of gone) this.#ids?.delete(id)
    this.#dirty = this.#dirty.filter(({ id }) => id >= floor)
  }

  /** The ids of uncommitted entries, in order. `from` is inclusive, `to` exclusive, null means no bound. */
  idsBetween(from: string | null, to: string | null): string[] {
    this.#wasScanned = true
    this.#ids ??= new SortedIds(this.#sorted())
    return this.#ids.between(from, to)
  }

  #sorted(): string[] {
    const uncommitted = new Set([...this.#committing.map(({ entries }) => entries), this.#dirty].flat())
    return [...uncommitted].map(({ id }) => id).sort(compareIds)
  }

  #release(entry: StoreEntry<V>): void {
    this.#ids?.delete(entry.id)
    this.#onRelease(entry)
  }
}
