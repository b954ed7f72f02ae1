import { InflatedBytes } from './inflated-bytes.ts'

/**
 * Inflates Snappy: a single block, or blocks in the framing of Java's clients. Throws RangeError for bytes in another format, and if the output
 * exceeds `maxBytes`.
 */
export function inflateSnappy(data: Buffer, maxBytes: number): Buffer {
  if (!data.subarray(0, javaMagic.length).equals(javaMagic)) return inflateBlock(data, maxBytes)
  const blocks: Buffer[] = []
  let left = maxBytes
  for (let at = javaHeaderBytes; at < data.length; ) {
    const length = data.readUInt32BE(at)
    at += 4
    if (at + length > data.length) throw new RangeError('a Snappy block is cut off')
    const block = inflateBlock(data.subarray(at, at + length), left)
    left -= block.length
    blocks.push(block)
    at += length
  }
  return Buffer.concat(blocks)
}

function inflateBlock(block: Buffer, maxBytes: number): Buffer {
  let at = 0
  let announced = 0
  for (let step = 0, byte = 128; byte >= 128; step++) {
    if (step === 5) throw new RangeError('the size of a Snappy block has more than 32 bits')
    byte = block.readUInt8(at++)
    announced += (byte & 127) * 128 ** step
  }
  if (announced > maxBytes) throw new RangeError(`it inflates to ${announced} bytes; the bound is ${maxBytes}`)
  // The announced size may be false. Two bytes of a block give at most 64 bytes of output, so the size of the block limits the buffer.
  const inflated = new InflatedBytes(Math.min(announced, block.length * 32), announced)
  while (at < block.length) {
    const tag = block.readUInt8(at++)
    const kind = tag & 3
    if (kind === 0) {
      const code = tag >> 2
      const extra = Math.max(0, code - 59)
      const length = extra === 0 ? code + 1 : block.readUIntLE(at, extra) + 1
      at += extra
      if (at + length > block.length) throw new RangeError('Snappy literals are cut off')
      inflated.append(block.subarray(at, at + length))
      at += length
    } else if (kind === 1) {
      inflated.copy(((tag >> 5) << 8) | block.readUInt8(at), ((tag >> 2) & 7) + 4)
      at++
    } else {
      const offsetBytes = kind === 2 ? 2 : 4
      inflated.copy(block.readUIntLE(at, offsetBytes), (tag >> 2) + 1)
      at += offsetBytes
    }
  }
  if (inflated.length !== announced) throw new RangeError(`a Snappy block announces ${announced} bytes and has ${inflated.length}`)
  return inflated.done()
}

const javaMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const javaHeaderBytes = 16
