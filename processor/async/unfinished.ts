/**
 * What an asynchronous node had not finished of one partition when a commit was made, as that commit's position tells it: the oldest
 * entry that waits (an offset, and which of the records that came of it), and which of the entries after it were done before it.
 */
export interface Unfinished {
  readonly offset: number
  /** Entries of this offset that are done. */
  readonly skip: number
  /** One bit an entry from the oldest on: set where it is done. Base64; empty where none is. */
  readonly done: string
}

/** Of a partition: how far it was read, and what its asynchronous nodes had not finished of that, by their names' codes. */
export interface Ahead {
  readonly until: number
  readonly nodes: readonly (readonly [code: number, unfinished: Unfinished])[]
}

/** Base64 of one bit an entry. */
export function bitsOf(entries: readonly boolean[]): string {
  const last = entries.lastIndexOf(true)
  if (last < 0) return ''
  const bytes = new Uint8Array((last >> 3) + 1)
  entries.forEach((is, at) => {
    if (is) bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (1 << (at & 7))
  })
  return Buffer.from(bytes).toString('base64')
}

/** Says of each entry that is read a second time whether it was done the first time. Entries come in the order of the first time. */
export class Resumption {
  readonly #unfinished: Unfinished
  readonly #done: Uint8Array
  #next = 0

  constructor(unfinished: Unfinished) {
    this.#unfinished = unfinished
    this.#done = Buffer.from(unfinished.done, 'base64')
  }

  /** Something of this offset, or of one before it, was not done. */
  isBehind(offset: number): boolean {
    return offset >= this.#unfinished.offset
  }

  /** Asked once an entry; `index`: among the entries of its offset. */
  wasDone(offset: number, index: number): boolean {
    const { offset: oldest, skip } = this.#unfinished
    if (offset < oldest || (offset === oldest && index < skip)) return true
    const at = this.#next++
    return (((this.#done[at >> 3] ?? 0) >> (at & 7)) & 1) === 1
  }
}
