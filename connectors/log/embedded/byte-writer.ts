/** Writes values into a buffer that grows. `take` returns the buffer's parts one after the other, so that many small parts share one buffer. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(firstBytes)
  #length = 0
  /** The offset after the part that was taken last. */
  #taken = 0

  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    this.#room(1)
    this.#bytes[this.#length] = value
    this.#length += 1
  }

  u32(value: number): void {
    this.#room(4)
    this.#length = this.#bytes.writeUInt32LE(value, this.#length)
  }

  i32(value: number): void {
    this.#room(4)
    this.#length = this.#bytes.writeInt32LE(value, this.#length)
  }

  f64(value: number): void {
    this.#room(8)
    this.#length = this.#bytes.writeDoubleLE(value, this.#length)
  }

  /** Writes the length as four bytes, then the bytes. Null is written as the length -1. */
  bytes(value: Uint8Array | null): void {
    this.i32(value === null ? -1 : value.length)
    if (value === null) return
    const { length } = value
    this.#room(length)
    if (length > shortText) this.#bytes.set(value, this.#length)
    else for (let at = 0; at < length; at++) this.#bytes[this.#length + at] = value[at] as number
    this.#length += length
  }

  text(value: string): void {
    // A UTF-16 unit takes at most three bytes in UTF-8.
    this.#room(4 + 3 * value.length)
    const length = this.#shortAscii(value) ? value.length : this.#bytes.write(value, this.#length + 4)
    this.#bytes.writeInt32LE(length, this.#length)
    this.#length += 4 + length
  }

  /** Writes a short ASCII text, such as the name of a header, and its length. Native code would cost more than the copy itself. */
  #shortAscii(value: string): boolean {
    if (value.length > shortText) return false
    const bytes = this.#bytes
    let at = this.#length + 4
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index)
      if (code > 0x7f) return false
      bytes[at++] = code
    }
    return true
  }

  /** The bytes that were written since the last `take`. They stay valid until `reuse`. */
  take(): Buffer {
    const part = this.#bytes.subarray(this.#taken, this.#length)
    this.#taken = this.#length
    return part
  }

  /** Starts again in the same memory. Parts that were taken before become invalid. A large buffer is dropped. */
  reuse(): void {
    if (this.#bytes.length > maxReusedBytes) this.#bytes = Buffer.allocUnsafe(firstBytes)
    this.#length = 0
    this.#taken = 0
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}

const firstBytes = 4096
/** Texts and bytes up to this length are copied one by one. A call of native code costs as much as this many steps. */
const shortText = 48
const maxReusedBytes = 1024 * 1024

export class ByteReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#at++)
  }

  u32(): number {
    this.#at += 4
    return this.#bytes.readUInt32LE(this.#at - 4)
  }

  i32(): number {
    this.#at += 4
    return this.#bytes.readInt32LE(this.#at - 4)
  }

  /** Reads the next number without moving past it. */
  peekI32(): number {
    return this.#bytes.readInt32LE(this.#at)
  }

  f64(): number {
    this.#at += 8
    return this.#bytes.readDoubleLE(this.#at - 8)
  }

  bytes(): Uint8Array | null {
    const length = this.i32()
    if (length < 0) return null
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  text(): string {
    return Buffer.from(this.bytes() ?? new Uint8Array(0)).toString()
  }
}
