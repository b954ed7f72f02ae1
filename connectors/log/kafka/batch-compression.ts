import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { compressionsAlgorithmsByBitmask } from '@platformatic/kafka'
import { BrokerError } from './broker-error.ts'

/** Inflates the records of one batch; no batch may become larger than `maxInflatedBytes`. */
export function inflate(data: Buffer, algorithm: number): Buffer {
  switch (algorithm) {
    case 1:
      return gunzipSync(data, { maxOutputLength: maxInflatedBytes })
    case 4:
      return zstdDecompressSync(data, { maxOutputLength: maxInflatedBytes })
    case 2:
      expectSmallSnappy(data)
      return byClient(data, algorithm)
    case 3:
      expectBound(largestLz4Bytes(data))
      return byClient(data, algorithm)
    default:
      throw new BrokerError('UNSUPPORTED_COMPRESSION_TYPE')
  }
}

function byClient(data: Buffer, algorithm: number): Buffer {
  const codec = (compressionsAlgorithmsByBitmask as { readonly [bits: number]: { decompressSync(data: Buffer): Buffer } })[algorithm]
  if (codec === undefined) throw new BrokerError('UNSUPPORTED_COMPRESSION_TYPE')
  return codec.decompressSync(data)
}

/** Snappy announces the size of each chunk in front of it and allocates that at once. */
function expectSmallSnappy(data: Buffer): void {
  if (!data.subarray(0, xerialHeader.length).equals(xerialHeader)) {
    expectBound(announcedBytes(data, 0))
    return
  }
  let total = 0
  for (let at = 16; at + 4 <= data.length; at += 4 + data.readUInt32BE(at)) {
    total += announcedBytes(data, at + 4)
    expectBound(total)
  }
}

/** A block of an LZ4 frame says only how large any block of the frame may be. */
function largestLz4Bytes(data: Buffer): number {
  let total = 0
  for (let at = 0; at + 7 <= data.length; ) {
    const flags = data[at + 4] ?? 0
    const maxBlockBytes = 2 ** (8 + 2 * (((data[at + 5] ?? 0) >> 4) & 7))
    const checksumBytes = (flags & 16) === 0 ? 0 : 4
    at += 7 + ((flags & 8) === 0 ? 0 : 8) + ((flags & 1) === 0 ? 0 : 4)
    for (;;) {
      if (at + 4 > data.length) return total
      const length = data.readUInt32LE(at) & 0x7fff_ffff
      at += 4
      if (length === 0) break
      // A block grows at most 255-fold.
      total += Math.min(maxBlockBytes, length * 255)
      at += length + checksumBytes
    }
    at += (flags & 4) === 0 ? 0 : 4
  }
  return total
}

function announcedBytes(data: Buffer, start: number): number {
  let value = 0
  for (let step = 0; step < 5; step++) {
    const byte = data[start + step] ?? 0
    value += (byte & 127) * 128 ** step
    if (byte < 128) break
  }
  return value
}

function expectBound(bytes: number): void {
  if (bytes > maxInflatedBytes) throw new BrokerError('CORRUPT_MESSAGE', `it inflates to up to ${bytes} bytes; the bound is ${maxInflatedBytes}`)
}

const xerialHeader = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
export const maxInflatedBytes = 128 * 1024 * 1024
