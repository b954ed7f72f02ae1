import { pushVarint, readVarint } from '../varint.ts'

/** Writes numbers in few bytes, as varints. The lowest bit of a signed number is its sign. */
export class NoteBytes {
  readonly #bytes: number[] = []

  whole(value: number): this {
    pushVarint(this.#bytes, value)
    return this
  }

  /** Writes the sign as the lowest bit. The number is split first, because twice the number may not be a safe integer. */
  signed(value: number): this {
    const size = Math.abs(value)
    const first = ((size % 0x40) << 1) | (value < 0 ? 1 : 0)
    if (size < 0x40) this.#bytes.push(first)
    else this.#bytes.push(first | 0x80)
    return size < 0x40 ? this : this.whole(Math.floor(size / 0x40))
  }

  code(value: number): this {
    this.#bytes.push(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
    return this
  }

  block(bytes: Uint8Array): this {
    this.whole(bytes.length)
    for (const byte of bytes) this.#bytes.push(byte)
    return this
  }

  done(): Buffer {
    return Buffer.from(this.#bytes)
  }
}

/** Reads numbers from a note. Bytes past the end of the note read as zeros. */
export class NoteReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isDone(): boolean {
    return this.#at >= this.#bytes.length
  }

  whole(): number {
    return readVarint(() => this.#bytes[this.#at++] ?? 0)
  }

  signed(): number {
    const first = this.#bytes[this.#at++] ?? 0
    const size = ((first & 0x7f) >> 1) + (first > 0x7f ? this.whole() * 0x40 : 0)
    return (first & 1) === 0 ? size : -size
  }

  code(): number {
    const code = this.#at + 4 <= this.#bytes.length ? this.#bytes.readUInt32BE(this.#at) : 0
    this.#at += 4
    return code
  }

  block(): Buffer {
    const length = this.whole()
    const block = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return block
  }
}
