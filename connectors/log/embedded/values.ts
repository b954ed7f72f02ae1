/** Values of the log's database. `keys.ts` lists their layouts. */

export interface PartitionEnds {
  readonly start: number
  /** The offset that the next record gets. */
  readonly end: number
  /** The size of the kept records in bytes, with large values; NaN in an entry of an older version, which did not count the bytes. */
  readonly bytes: number
}

export function endsBytes({ start, end, bytes: size }: PartitionEnds): Buffer {
  const bytes = Buffer.allocUnsafe(24)
  bytes.writeDoubleBE(start)
  bytes.writeDoubleBE(end, 8)
  bytes.writeDoubleBE(size, 16)
  return bytes
}

/** The ends of a partition. A partition without an entry is empty. */
export function endsOf(value: Uint8Array | null): PartitionEnds {
  if (value === null) return { start: 0, end: 0, bytes: 0 }
  const bytes = Buffer.from(value)
  return { start: bytes.readDoubleBE(), end: bytes.readDoubleBE(8), bytes: bytes.length < 24 ? Number.NaN : bytes.readDoubleBE(16) }
}

export function positionBytes(offset: number, metadata: string): Buffer {
  const bytes = Buffer.alloc(8 + Buffer.byteLength(metadata))
  bytes.writeDoubleBE(offset)
  bytes.write(metadata, 8)
  return bytes
}

export function positionFrom(value: Uint8Array): { readonly offset: number; readonly metadata: string } {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return { offset: bytes.readDoubleBE(), metadata: bytes.toString('utf8', 8) }
}
