import { longIn, type StoreEntry, type StoreRow } from './store-entry.ts'

/** An index of a store's rows in memory by their key without its last bytes. The index finds the windows of one key in one segment at once. */
export class PrefixIndex<V> {
  readonly #tailLength: number
  /** Rows by prefix and key length, in the order of their ids. */
  readonly #lists = new Map<string, StoreEntry<V>[]>()

  constructor(tailLength: number, entries: Iterable<StoreEntry<V>>) {
    this.#tailLength = tailLength
    for (const entry of entries) this.add(entry)
  }

  /** Adds an entry, which must not be in the index yet. */
  add(entry: StoreEntry<V>): void {
    const prefix = this.#prefixOf(entry)
    const list = this.#lists.get(prefix)
    if (list === undefined) this.#lists.set(prefix, [entry])
    // `push` reserves room for sixteen more entries, and most lists have few rows.
    else if (list.length < fewRows) this.#lists.set(prefix, inserted(list, entry))
    else if ((list.at(-1)?.id ?? '') < entry.id) list.push(entry)
    else list.splice(lowerBound(list, entry.id), 0, entry)
  }

  delete(entry: StoreEntry<V>): void {
    const prefix = this.#prefixOf(entry)
    const list = this.#lists.get(prefix)
    if (list === undefined) return
    const place = lowerBound(list, entry.id)
    if (list[place] !== entry) return
    if (list.length === 1) this.#lists.delete(prefix)
    else list.splice(place, 1)
  }

  /** Deletes many entries in one pass over each list. */
  deleteAll(entries: readonly StoreEntry<V>[]): void {
    for (const [prefix, gone] of Map.groupBy(entries, (entry) => this.#prefixOf(entry))) {
      const list = this.#lists.get(prefix)
      if (list === undefined) continue
      const those = new Set(gone)
      const left = list.length === gone.length ? [] : list.filter((entry) => !those.has(entry))
      if (left.length === 0) this.#lists.delete(prefix)
      else this.#lists.set(prefix, left)
    }
  }

  /** The existing rows whose number behind the prefix is between `from` and `to`. */
  between(prefix: string, from: number, to: number): StoreRow<V>[] {
    const list = this.#lists.get(prefix)
    if (list === undefined) return []
    const at = prefix.length
    let place = list.length <= fewRows ? 0 : firstFrom(list, (entry) => longIn(entry.id, at) >= from)
    const found: StoreRow<V>[] = []
    for (let entry = list[place]; entry !== undefined; entry = list[++place]) {
      const number = longIn(entry.id, at)
      if (number > to) break
      if (number >= from) found.push({ id: entry.id, value: entry.value })
    }
    return found
  }

  #prefixOf({ id }: StoreEntry<V>): string {
    return id.slice(0, id.length - this.#tailLength)
  }
}

function inserted<V>(list: readonly StoreEntry<V>[], entry: StoreEntry<V>): StoreEntry<V>[] {
  const place = lowerBound(list, entry.id)
  return place === list.length ? [...list, entry] : list.toSpliced(place, 0, entry)
}

/** The index of the id in the list, or the index at which to insert it. */
function lowerBound<V>(list: readonly StoreEntry<V>[], id: string): number {
  return firstFrom(list, (entry) => entry.id >= id)
}

/** The first index at which `holds` is true. `holds` must be true at all later indexes too. */
function firstFrom<V>(list: readonly StoreEntry<V>[], holds: (entry: StoreEntry<V>) => boolean): number {
  let low = 0
  for (let high = list.length; low < high; ) {
    const middle = (low + high) >>> 1
    const entry = list[middle]
    if (entry === undefined || holds(entry)) high = middle
    else low = middle + 1
  }
  return low
}

const fewRows = 4
