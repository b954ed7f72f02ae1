/** Values of the one database, in the layouts that `keys.ts` names beside their keys. */

export interface PartitionEnds {
  /** The first offset that is kept. */
  readonly start: number
  /** The offset that the next record gets. */
  readonly end: number
  /** Bytes of the kept records, with their large values; NaN where an older version wrote the entry, which did not count them. */
  readonly bytes: number
}

export function endsBytes({ start, end, bytes: size }: PartitionEnds): Buffer {
  const bytes = Buffer.allocUnsafe(24)
  bytes.writeDoubleBE(start)
  bytes.writeDoubleBE(end, 8)
  bytes.writeDoubleBE(size, 16)
  return bytes
}

/** A partition that has no entry is empty. */
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
