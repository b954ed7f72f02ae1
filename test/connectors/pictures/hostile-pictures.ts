import { crc32, deflateSync } from 'node:zlib'

export interface PngOptions {
  readonly depth?: 8 | 16
  /** The number of channels: grey, RGB or RGBA. */
  readonly channels?: 1 | 3 | 4
  readonly chunks?: readonly Buffer[]
  /** False: the picture consists of a header only. */
  readonly pixels?: boolean
}

export function png(width: number, height: number, { depth = 8, channels = 3, chunks = [], pixels = true }: PngOptions = {}): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header[8] = depth
  header[9] = { 1: 0, 3: 2, 4: 6 }[channels]
  const rows = pixels ? deflateSync(Buffer.alloc((1 + (width * channels * depth) / 8) * height)) : Buffer.alloc(0)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    ...chunks,
    pngChunk('IDAT', rows),
    pngChunk('IEND', Buffer.alloc(0)),
  ])
}

export function pngChunk(type: string, data: Uint8Array): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const chunk = Buffer.alloc(8 + typed.length)
  chunk.writeUInt32BE(data.length)
  chunk.set(typed, 4)
  chunk.writeUInt32BE(crc32(typed), 4 + typed.length)
  return chunk
}

/** A compressed text of a few kilobytes that decompresses to `bytes` zeros. */
export function compressedText(bytes: number): Buffer {
  return pngChunk('zTXt', Buffer.concat([Buffer.from('comment\0\0'), deflateSync(Buffer.alloc(bytes))]))
}

/** A black JPEG with many scans of each component, which baseline JPEG allows. */
export function jpegOfScans(width: number, height: number, scans: number): Buffer {
  const size = [height >> 8, height & 255, width >> 8, width & 255]
  const tables = [segment(0xdb, [0, ...Array<number>(64).fill(1)]), segment(0xc4, huffmanOfZero(0x00)), segment(0xc4, huffmanOfZero(0x10))]
  const frame = segment(0xc0, [8, ...size, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0])
  const blocks = Buffer.alloc(Math.ceil((Math.ceil(width / 8) * Math.ceil(height / 8) * 2) / 8))
  const parts = Array.from({ length: scans }, (_, at) => Buffer.concat([segment(0xda, [1, 1 + (at % 3), 0, 0, 63, 0]), blocks]))
  return Buffer.concat([Buffer.of(0xff, 0xd8), ...tables, frame, ...parts, Buffer.of(0xff, 0xd9)])
}

/** An SVG that draws a rectangle 100,000 times. */
export const svgOfUses = Buffer.from(
  `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><defs><g id="a0"><rect width="9" height="9"/></g>${[1, 2, 3, 4, 5]
    .map((at) => `<g id="a${at}">${`<use href="#a${at - 1}"/>`.repeat(10)}</g>`)
    .join('')}</defs><use href="#a5"/></svg>`,
)

function segment(marker: number, data: readonly number[]): Buffer {
  return Buffer.from([0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 255, ...data])
}

/** A Huffman table with one code: a zero bit for the value zero. */
function huffmanOfZero(table: number): readonly number[] {
  return [table, 1, ...Array<number>(15).fill(0), 0]
}
