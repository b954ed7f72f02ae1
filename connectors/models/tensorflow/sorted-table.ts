import { inflateSnappy } from '../../log/kafka/wire/snappy.ts'
import { maskedCrc32c } from './crc32c.ts'

/**
 * Reads LevelDB's table format: it returns the entries of all blocks, in the order of the file.
 *
 *     table   = blocks, footer
 *     footer  = handle of the meta index, handle of the index, zeros up to 40 bytes, magic (8 bytes)
 *     handle  = position, size (varints)
 *     block   = entries, restart positions (uint32 each), their number (uint32), type (0: as it is, 1: Snappy), masked CRC-32C (uint32)
 *     entry   = bytes shared with the key before, bytes of its own, bytes of the value (varints), key, value
 *
 * The index is a block whose values are handles. Throws RangeError for bytes in another format, and for a block whose checksum is wrong.
 */
export function sortedTable(bytes: Buffer): ReadonlyMap<string, Buffer> {
  if (bytes.length < footerBytes || bytes.readBigUInt64LE(bytes.length - 8) !== magic)
    throw new RangeError('it is not a table, or its end is missing')
  const footer = new VarintReader(bytes.subarray(bytes.length - footerBytes))
  footer.handle()
  const entries = new Map<string, Buffer>()
  let [entriesLeft, bytesLeft] = [maxEntries, maxBlockBytes]
  const countEntry = () => {
    if (--entriesLeft < 0) throw new RangeError(`it has more than ${maxEntries} entries`)
  }
  // Several handles may name the same block, and several entries the same key. The bounds count every occurrence, because every occurrence takes time
  // to read.
  for (const [, value] of entriesOf(blockAt(bytes, footer.handle(), maxBlockBytes))) {
    countEntry()
    const block = blockAt(bytes, new VarintReader(value).handle(), bytesLeft)
    bytesLeft -= block.length
    for (const [key, entry] of entriesOf(block)) {
      countEntry()
      entries.set(key, entry)
    }
  }
  return entries
}

const magic = 0xdb4775248b80fb57n
const footerBytes = 48
const trailerBytes = 5
/** The most bytes of the index after inflation, and the most bytes of all other blocks together after inflation. */
const maxBlockBytes = 64 * 1024 * 1024
/** The most entries in the index and all blocks together. */
const maxEntries = 1_000_000

interface BlockHandle {
  readonly position: number
  readonly size: number
}

function blockAt(bytes: Buffer, { position, size }: BlockHandle, maxBytes: number): Buffer {
  if (size > maxBytes) throw new RangeError(`its blocks have more than ${maxBlockBytes} bytes`)
  if (position + size + trailerBytes > bytes.length) throw new RangeError('a block lies outside of the file')
  const summed = bytes.subarray(position, position + size + 1)
  if (maskedCrc32c(summed) !== bytes.readUInt32LE(position + size + 1)) throw new RangeError('the checksum of a block is wrong')
  const block = summed.subarray(0, size)
  const type = summed[size]
  if (type === 0) return block
  if (type === 1) return inflateSnappy(block, maxBytes)
  throw new RangeError(`a block has the compression number ${type}, where none (0) and Snappy (1) are supported`)
}

function* entriesOf(block: Buffer): Generator<readonly [string, Buffer]> {
  if (block.length < 4) throw new RangeError('a block is too short')
  const end = block.length - 4 - 4 * block.readUInt32LE(block.length - 4)
  if (end < 0) throw new RangeError('a block has more restarts than bytes')
  const reader = new VarintReader(block.subarray(0, end))
  let last = Buffer.alloc(0)
  while (reader.hasMore) {
    const [shared, own, valueBytes] = [reader.varint(), reader.varint(), reader.varint()]
    if (shared > last.length || shared + own > maxKeyBytes) throw new RangeError('a key is longer than it can be')
    last = Buffer.concat([last.subarray(0, shared), reader.bytes(own)])
    yield [last.toString(), reader.bytes(valueBytes)]
  }
}

const maxKeyBytes = 4096

class VarintReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get hasMore(): boolean {
    return this.#at < this.#bytes.length
  }

  varint(): number {
    let value = 0
    for (let step = 0; step < 8; step++) {
      const byte = this.#bytes.readUInt8(this.#at++)
      value += (byte & 127) * 128 ** step
      if (byte < 128 && Number.isSafeInteger(value)) return value
    }
    throw new RangeError('a number has more than 53 bits')
  }

  handle(): BlockHandle {
    return { position: this.varint(), size: this.varint() }
  }

  bytes(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError('an entry is cut off')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}
