/** Values of the one database, in the layouts that `keys.ts` names beside their keys. */

/** Start: the first offset that is kept. End: the offset that the next record gets. */
export interface PartitionEnds {
  readonly start: number
  readonly end: number
}

export function endsBytes(start: number, end: number): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeDoubleBE(start)
  bytes.writeDoubleBE(end, 8)
  return bytes
}

/** A partition that has no entry is empty. */
export function endsOf(value: Uint8Array | null): PartitionEnds {
  if (value === null) return { start: 0, end: 0 }
  const bytes = Buffer.from(value)
  return { start: bytes.readDoubleBE(), end: bytes.readDoubleBE(8) }
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
