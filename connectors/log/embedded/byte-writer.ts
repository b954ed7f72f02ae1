/** Writes values into a buffer that grows. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(4096)
  #length = 0

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
    this.#room(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  text(value: string): void {
    this.bytes(Buffer.from(value))
  }

  /** The bytes written so far. The writer must not be used after this call. */
  done(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}

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
