/** Sorted strings, in chunks. Adding or removing a string moves only one chunk. In one long array, each change would move all later strings. */
export class SortedIds {
  /** No chunk is empty, and all ids of a chunk are less than the ids of the next chunk. */
  readonly #chunks: string[][] = []

  constructor(sorted: readonly string[] = []) {
    for (let at = 0; at < sorted.length; at += chunkSize / 2) this.#chunks.push(sorted.slice(at, at + chunkSize / 2))
  }

  /** Adds an id, which must not be in the list yet. */
  add(id: string): void {
    const at = Math.max(0, this.#chunkOf(id))
    const chunk = this.#chunks[at]
    if (chunk === undefined) {
      this.#chunks.push([id])
      return
    }
    chunk.splice(lowerBound(chunk, id), 0, id)
    if (chunk.length > chunkSize) this.#chunks.splice(at + 1, 0, chunk.splice(chunkSize / 2))
  }

  delete(id: string): void {
    const at = this.#chunkOf(id)
    const chunk = this.#chunks[at]
    if (chunk === undefined) return
    const index = lowerBound(chunk, id)
    if (chunk[index] !== id) return
    chunk.splice(index, 1)
    if (chunk.length === 0) this.#chunks.splice(at, 1)
  }

  /** The ids in order. `from` is inclusive, `to` exclusive, null means no bound. */
  between(from: string | null, to: string | null): string[] {
    const found: string[] = []
    for (let at = from === null ? 0 : Math.max(0, this.#chunkOf(from)); at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at] ?? []
      const low = from === null ? 0 : lowerBound(chunk, from)
      const high = to === null ? chunk.length : lowerBound(chunk, to)
      for (let index = low; index < high; index++) found.push(chunk[index] ?? '')
      if (high < chunk.length) break
    }
    return found
  }

  /** The last chunk that begins at or before `id`; -1 if all chunks begin after `id`. */
  #chunkOf(id: string): number {
    let low = 0
    for (let high = this.#chunks.length; low < high; ) {
      const middle = (low + high) >>> 1
      if ((this.#chunks[middle]?.[0] ?? '') <= id) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

const chunkSize = 256

/** The index of `id`, or the index at which to insert it. */
function lowerBound(ids: readonly string[], id: string): number {
  let low = 0
  for (let high = ids.length; low < high; ) {
    const middle = (low + high) >>> 1
    if ((ids[middle] ?? '') < id) low = middle + 1
    else high = middle
  }
  return low
}
