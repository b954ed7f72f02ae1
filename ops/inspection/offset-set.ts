/**
 * A set of offsets of one partition. Offsets are divided into blocks. Only a block that contains an offset of the set takes memory, one bit for each
 * of the block's offsets.
 */
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

  /** Frees the blocks whose offsets are all before this offset. */
  forgetBefore(offset: number): void {
    for (const number of this.#blocks.keys()) if ((number + 1) * blockOffsets <= offset) this.#blocks.delete(number)
  }
}

const blockOffsets = 8192
