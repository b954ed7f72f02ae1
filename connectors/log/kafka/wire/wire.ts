import { BrokerError } from '../cluster/broker-error.ts'

/** Writes Kafka's primitive types into a growing buffer, in the "flexible" encodings of KIP-482. */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(512)
  #at = 0

  int8(value: number): this {
    this.#room(1)
    this.#at = this.#bytes.writeInt8(value, this.#at)
    return this
  }

  int16(value: number): this {
    this.#room(2)
    this.#at = this.#bytes.writeInt16BE(value, this.#at)
    return this
  }

  int32(value: number): this {
    this.#room(4)
    this.#at = this.#bytes.writeInt32BE(value, this.#at)
    return this
  }

  int64(value: number): this {
    this.#room(8)
    writeInt64(this.#bytes, value, this.#at)
    this.#at += 8
    return this
  }

  uvarint(value: number): this {
    this.#room(5)
    let left = value
    while (left > 127) {
      this.#bytes[this.#at++] = (left & 127) | 128
      left >>>= 7
    }
    this.#bytes[this.#at++] = left
    return this
  }

  length(count: number): this {
    return this.uvarint(count + 1)
  }

  text(value: string | null): this {
    if (value === null) return this.uvarint(0)
    const length = Buffer.byteLength(value)
    this.length(length)
    this.#room(length)
    this.#at += this.#bytes.write(value, this.#at)
    return this
  }

  bytes(value: Uint8Array): this {
    this.#room(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
    return this
  }

  noTags(): this {
    return this.uvarint(0)
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  #room(length: number): void {
    if (this.#at + length <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + length))
    this.#bytes.copy(grown, 0, 0, this.#at)
    this.#bytes = grown
  }
}

/** Reads Kafka's primitive types. Throws BrokerError INVALID_ANSWER if a length exceeds the remaining bytes. */
export class WireReader {
  readonly buffer: Buffer
  at = 0

  constructor(buffer: Buffer) {
    this.buffer = buffer
  }

  int8(): number {
    return this.buffer.readInt8(this.#past(1))
  }

  int16(): number {
    return this.buffer.readInt16BE(this.#past(2))
  }

  int32(): number {
    return this.buffer.readInt32BE(this.#past(4))
  }

  int64(): number {
    return readInt64(this.buffer, this.#past(8))
  }

  bigInt64(): bigint {
    return this.buffer.readBigInt64BE(this.#past(8))
  }

  uvarint(): number {
    let value = 0
    for (let shift = 0; shift <= 28; shift += 7) {
      const byte = this.buffer[this.#past(1)] ?? 0
      value |= (byte & 127) << shift
      if (byte < 128) return value >>> 0
    }
    throw invalidAnswer('a length has more than 32 bits')
  }

  /** The length of a compact array; 0 for null. An array that announces more elements than there are bytes left is damaged. */
  length(): number {
    const length = Math.max(0, this.uvarint() - 1)
    if (this.at + length > this.buffer.length) throw invalidAnswer(`${length} elements do not fit`)
    return length
  }

  text(): string | null {
    const bytes = this.#compactBytes()
    return bytes === null ? null : bytes.toString('utf8')
  }

  /** Bytes that share the buffer's memory; empty for null. */
  bytes(): Buffer {
    return this.#compactBytes() ?? this.buffer.subarray(0, 0)
  }

  /** The length of an array in the encoding before KIP-482; 0 for null. */
  count(): number {
    const count = Math.max(0, this.int32())
    if (this.at + count > this.buffer.length) throw invalidAnswer(`${count} elements do not fit`)
    return count
  }

  /** Text in the encoding before KIP-482. */
  plainText(): string {
    return this.raw(Math.max(0, this.int16())).toString('utf8')
  }

  raw(length: number): Buffer {
    const start = this.#past(length)
    return this.buffer.subarray(start, start + length)
  }

  get isDone(): boolean {
    return this.at >= this.buffer.length
  }

  tags(): void {
    for (let left = this.uvarint(); left > 0; left--) {
      this.uvarint()
      this.#past(this.uvarint())
    }
  }

  #compactBytes(): Buffer | null {
    const length = this.uvarint() - 1
    return length < 0 ? null : this.raw(length)
  }

  /** Skips a number of bytes, and returns the index of the first skipped byte. */
  #past(bytes: number): number {
    const start = this.at
    if (start + bytes > this.buffer.length) throw invalidAnswer(`it ends ${start + bytes - this.buffer.length} bytes early`)
    this.at = start + bytes
    return start
  }
}

function invalidAnswer(why: string): BrokerError {
  return new BrokerError('INVALID_ANSWER', `a broker’s answer cannot be read: ${why}`)
}

/** An offset or a time, as a double that holds the whole number exactly. */
export function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * 0x1_0000_0000 + buffer.readUInt32BE(at + 4)
}

export function writeInt64(buffer: Buffer, value: number, at: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  buffer.writeInt32BE(high, at)
  buffer.writeUInt32BE(value - high * 0x1_0000_0000, at + 4)
}
