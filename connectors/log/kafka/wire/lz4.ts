import { InflatedBytes } from './inflated-bytes.ts'

/** Inflates LZ4 frames. Throws RangeError for bytes in another format, for truncated frames, and if the output exceeds `maxBytes`. */
export function inflateLz4(data: Buffer, maxBytes: number): Buffer {
  const inflated = new InflatedBytes(data.length * 4, maxBytes)
  for (let at = 0; at < data.length; ) at = inflateFrame(data, at, inflated)
  return inflated.done()
}

/** Inflates one frame, and returns the index after it. The checksums of the frame are ignored, because the batch has a checksum of its own. */
function inflateFrame(data: Buffer, start: number, inflated: InflatedBytes): number {
  if (data.readUInt32LE(start) !== frameMagic) throw new RangeError('it is not an LZ4 frame')
  const flags = data.readUInt8(start + 4)
  const contentSizeBytes = (flags & 8) === 0 ? 0 : 8
  const dictionaryIdBytes = (flags & 1) === 0 ? 0 : 4
  const blockChecksumBytes = (flags & 16) === 0 ? 0 : 4
  const contentChecksumBytes = (flags & 4) === 0 ? 0 : 4
  for (let at = start + 7 + contentSizeBytes + dictionaryIdBytes; ; ) {
    const size = data.readUInt32LE(at)
    at += 4
    if (size === 0) return at + contentChecksumBytes
    const length = size & 0x7fff_ffff
    if (at + length > data.length) throw new RangeError('an LZ4 block is cut off')
    const block = data.subarray(at, at + length)
    if (size > 0x7fff_ffff) inflated.append(block)
    else inflateBlock(block, inflated)
    at += length + blockChecksumBytes
  }
}

function inflateBlock(block: Buffer, inflated: InflatedBytes): void {
  let at = 0
  /** Reads a length. A nibble of 15 means that the length continues in the following bytes. */
  const lengthOf = (nibble: number): number => {
    let length = nibble
    if (nibble === 15) {
      let byte: number
      do {
        byte = block.readUInt8(at++)
        length += byte
      } while (byte === 255)
    }
    return length
  }
  while (at < block.length) {
    const token = block.readUInt8(at++)
    const literals = lengthOf(token >> 4)
    if (at + literals > block.length) throw new RangeError('LZ4 literals are cut off')
    inflated.append(block.subarray(at, at + literals))
    at += literals
    // The last sequence of a block has only literals, and no copy.
    if (at === block.length) return
    const back = block.readUInt16LE(at)
    at += 2
    inflated.copy(back, lengthOf(token & 15) + 4)
  }
}

const frameMagic = 0x184d2204
