/** A buffer for inflated bytes that grows up to a limit. Throws RangeError past the limit, and for a copy that begins before the first byte. */
export class InflatedBytes {
  readonly #maxBytes: number
  #bytes: Buffer
  #length = 0

  constructor(expectedBytes: number, maxBytes: number) {
    this.#maxBytes = maxBytes
    this.#bytes = Buffer.allocUnsafe(Math.min(maxBytes, Math.max(64, expectedBytes)))
  }

  get length(): number {
    return this.#length
  }

  append(bytes: Buffer): void {
    this.#grow(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** Appends `length` bytes that are already in the buffer, starting `back` bytes before its end. The copy may overlap its source. */
  copy(back: number, length: number): void {
    if (!(back > 0 && back <= this.#length)) throw new RangeError('a copy begins before the first byte')
    this.#grow(length)
    const bytes = this.#bytes
    const end = this.#length + length
    if (back >= length) bytes.copyWithin(this.#length, this.#length - back, end - back)
    else for (let at = this.#length; at < end; at++) bytes[at] = bytes[at - back] ?? 0
    this.#length = end
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #grow(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#bytes.length) return
    if (needed > this.#maxBytes) throw new RangeError(`it inflates to more than ${this.#maxBytes} bytes`)
    const grown = Buffer.allocUnsafe(Math.min(this.#maxBytes, Math.max(needed, this.#bytes.length * 2)))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}
