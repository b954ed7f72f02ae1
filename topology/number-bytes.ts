/** A whole number as eight bytes, big-endian, so that bytes sort as numbers from 0 on. */
export function longBytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  writeLong(bytes, value, 0)
  return bytes
}

export function writeLong(bytes: Buffer, value: number, at: number): void {
  bytes.writeInt32BE(Math.floor(value / 2 ** 32), at)
  bytes.writeUInt32BE(value >>> 0, at + 4)
}

export function readLong(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8)
  return view.getInt32(0) * 2 ** 32 + view.getUint32(4)
}

/** A whole number as four bytes, big-endian. */
export function intBytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** A number as eight bytes, big-endian. */
export function doubleBytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeDoubleBE(value)
  return bytes
}
