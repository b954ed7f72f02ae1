import { maskedCrc32c } from '../../connectors/models/tensorflow/crc32c.ts'

export interface TableOptions {
  /** Blocks are written with Snappy, as literals. */
  readonly snappy?: boolean
  /** Entries of one block. */
  readonly blockEntries?: number
}

/** Writes LevelDB's table format, with keys in their order: the counterpart of `sortedTable`. */
export function writeSortedTable(entries: ReadonlyMap<string, Uint8Array>, { snappy = false, blockEntries = 2 }: TableOptions = {}): Buffer {
  const parts: Buffer[] = []
  let position = 0
  const add = (rows: readonly (readonly [string, Uint8Array])[]): Buffer => {
    const plain = blockOf(rows)
    const data = snappy ? literals(plain) : plain
    const typed = Buffer.concat([data, Buffer.of(snappy ? 1 : 0)])
    const sum = Buffer.alloc(4)
    sum.writeUInt32LE(maskedCrc32c(typed))
    parts.push(typed, sum)
    const handle = Buffer.concat([varint(position), varint(data.length)])
    position += typed.length + 4
    return handle
  }
  const rows = [...entries].toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const index: [string, Uint8Array][] = []
  for (let at = 0; at < rows.length; at += blockEntries) {
    const block = rows.slice(at, at + blockEntries)
    index.push([block.at(-1)?.[0] ?? '', add(block)])
  }
  const meta = add([])
  const handles = Buffer.concat([meta, add(index)])
  return Buffer.concat([...parts, handles, Buffer.alloc(40 - handles.length), Buffer.from('57fb808b247547db', 'hex')])
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
  // One restart, at the beginning.
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
