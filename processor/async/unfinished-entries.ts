/**
 * The unfinished entries of one asynchronous node and one partition. A commit notes these entries beside the position. The note names the oldest
 * unfinished entry: its offset, and its index among the entries of this offset. The note also tells which later entries are done.
 */
export interface Unfinished {
  readonly offset: number
  /** The number of entries of this offset that come before the oldest unfinished entry. */
  readonly skip: number
  /** One bit for each entry after the oldest unfinished entry: 1 if the entry is done. Base64; empty if no entry is done. */
  readonly done: string
}

/**
 * The note of one partition: the offset up to which it was read, and the unfinished entries of each asynchronous node, under the code of its name.
 */
export interface Ahead {
  readonly until: number
  readonly nodes: readonly (readonly [code: number, unfinished: Unfinished])[]
}

/** Packs the entries into base64, one bit per entry; empty if no entry is true. */
export function bitsOf(entries: readonly boolean[]): string {
  const last = entries.lastIndexOf(true)
  if (last < 0) return ''
  const bytes = new Uint8Array((last >> 3) + 1)
  entries.forEach((is, at) => {
    if (is) bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (1 << (at & 7))
  })
  return Buffer.from(bytes).toString('base64')
}

/** Tells for each entry that is read again whether it was done before. Entries come in the same order as before. */
export class Resumption {
  readonly #unfinished: Unfinished
  readonly #done: Uint8Array
  #next = 0

  constructor(unfinished: Unfinished) {
    this.#unfinished = unfinished
    this.#done = Buffer.from(unfinished.done, 'base64')
  }

  /** True if an entry of this offset, or of an earlier one, was not done. */
  isBehind(offset: number): boolean {
    return offset >= this.#unfinished.offset
  }

  /** True if this entry was done. Must be called once for each entry. `index` counts the entries of one offset. */
  wasDone(offset: number, index: number): boolean {
    const { offset: oldest, skip } = this.#unfinished
    if (offset < oldest || (offset === oldest && index < skip)) return true
    const at = this.#next++
    return (((this.#done[at >> 3] ?? 0) >> (at & 7)) & 1) === 1
  }
}
