import { maskedCrc32c } from '../../connectors/models/tensorflow/crc32c.ts'

export interface TableOptions {
  /** True: blocks are written with Snappy, as literals. */
  readonly snappy?: boolean
  /** The number of entries of one block. */
  readonly blockEntries?: number
  /** The number of times that the index names each block. */
  readonly repeated?: number
}

/** Writes LevelDB's table format, with keys in their order. It is the counterpart of `sortedTable`. */
export function writeSortedTable(
  entries: ReadonlyMap<string, Uint8Array>,
  { snappy = false, blockEntries = 2, repeated = 1 }: TableOptions = {},
): Buffer {
  const writer = new TableWriter(snappy)
  const rows = [...entries].toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const index: [string, Uint8Array][] = []
  for (let at = 0; at < rows.length; at += blockEntries) {
    const block = rows.slice(at, at + blockEntries)
    const handle = writer.add(blockOf(block))
    for (let time = 0; time < repeated; time++) index.push([block.at(-1)?.[0] ?? '', handle])
  }
  return writer.end(index)
}

/** A table with one block that consists of these bytes. */
export function tableOfBlock(block: Buffer): Buffer {
  const writer = new TableWriter(false)
  return writer.end([['a', writer.add(block)]])
}

class TableWriter {
  readonly #snappy: boolean
  readonly #parts: Buffer[] = []
  #position = 0

  constructor(snappy: boolean) {
    this.#snappy = snappy
  }

  add(plain: Buffer): Buffer {
    const data = this.#snappy ? literals(plain) : plain
    const typed = Buffer.concat([data, Buffer.of(this.#snappy ? 1 : 0)])
    const sum = Buffer.alloc(4)
    sum.writeUInt32LE(maskedCrc32c(typed))
    this.#parts.push(typed, sum)
    const handle = Buffer.concat([varint(this.#position), varint(data.length)])
    this.#position += typed.length + 4
    return handle
  }

  end(index: readonly (readonly [string, Uint8Array])[]): Buffer {
    const meta = this.add(blockOf([]))
    const handles = Buffer.concat([meta, this.add(blockOf(index))])
    return Buffer.concat([...this.#parts, handles, Buffer.alloc(40 - handles.length), Buffer.from('57fb808b247547db', 'hex')])
  }
}

function blockOf(rows: readonly (readonly [string, Uint8Array])[]): Buffer {
  let last = ''
  const entries = rows.map(([key, value]) => {
    let shared = 0
    while (shared < Math.min(last.length, key.length) && last[shared] === key[shared]) shared++
    last = key
    const own = Buffer.from(key.slice(shared))
    return Buffer.concat([varint(shared), varint(own.length), varint(value.length), own, value])
  })
  // One restart position, at the beginning.
  return Buffer.concat([...entries, Buffer.of(0, 0, 0, 0, 1, 0, 0, 0)])
}

function literals(bytes: Buffer): Buffer {
  const parts = [varint(bytes.length)]
  for (let at = 0; at < bytes.length; at += 60) {
    const part = bytes.subarray(at, at + 60)
    parts.push(Buffer.of((part.length - 1) << 2), part)
  }
  return Buffer.concat(parts)
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let left = value
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128)
  return Buffer.from([...bytes, left])
}
