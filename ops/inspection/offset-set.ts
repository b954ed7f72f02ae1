/** Offsets of one partition, at a bit for each offset in the blocks that have any. */
export class OffsetSet {
  readonly #blocks = new Map<number, Uint8Array>()

  add(offset: number): void {
    const number = Math.floor(offset / blockOffsets)
    const block = this.#blocks.get(number) ?? new Uint8Array(blockOffsets / 8)
    this.#blocks.set(number, block)
    const at = offset % blockOffsets
    block[at >> 3] = (block[at >> 3] ?? 0) | (1 << (at & 7))
  }

  has(offset: number): boolean {
    const at = offset % blockOffsets
    const byte = this.#blocks.get(Math.floor(offset / blockOffsets))?.[at >> 3] ?? 0
    return (byte & (1 << (at & 7))) !== 0
  }

  /** Frees the blocks that lie wholly before this offset. */
  forgetBefore(offset: number): void {
    for (const number of this.#blocks.keys()) if ((number + 1) * blockOffsets <= offset) this.#blocks.delete(number)
  }
}

const blockOffsets = 8192
