import { Refused } from '../../topology/waggle-error.ts'
import type { PictureFormat } from './picture-format.ts'

/**
 * Removes parts that cost work and are not shown: text chunks of a PNG, which can inflate to a thousand times their size, and all frames of a GIF
 * after the first. Bytes that do not follow the format are kept, and the decoder refuses them. Throws `Refused` for a PNG of more than `maxChunks`
 * chunks.
 */
export function trimmedPicture(bytes: Uint8Array, format: PictureFormat): Uint8Array {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (format === 'png') return shownChunks(buffer)
  if (format === 'gif') return firstFrame(buffer)
  return bytes
}

/**
 * The number of start-of-scan markers in a JPEG. Compressed data cannot contain such a marker, because a zero follows each 0xFF in the data. Throws
 * `Refused` for more than `maxScans`.
 */
export function scansOf(jpeg: Uint8Array): number {
  const buffer = Buffer.from(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength)
  let scans = 0
  for (let at = buffer.indexOf(startOfScan); at >= 0; at = buffer.indexOf(startOfScan, at + 2)) {
    scans++
    if (scans > maxScans) throw new Refused(`The picture has more than ${maxScans.toLocaleString('en')} scans`)
  }
  return scans
}

/**
 * The chunks of a PNG that are needed. The layout is a signature of 8 bytes, then chunks `length u32 │ type │ data │ CRC u32`. Adjacent chunks that
 * are needed are copied together.
 */
function shownChunks(png: Buffer): Uint8Array {
  const runs: Buffer[] = []
  let runStart = 0
  let at = 8
  for (let chunks = 0; at + 12 <= png.length; chunks++) {
    if (chunks === maxChunks) throw new Refused(`The picture has more than ${maxChunks.toLocaleString('en')} chunks`)
    const end = at + 12 + png.readUInt32BE(at)
    if (!shown.has(png.toString('latin1', at + 4, at + 8))) {
      if (at > runStart) runs.push(png.subarray(runStart, at))
      runStart = end
    }
    at = end
  }
  if (runStart === 0) return png
  if (runStart < png.length) runs.push(png.subarray(runStart))
  return Buffer.concat(runs)
}

/** The header, colours, extensions and first image of a GIF, and its trailer. */
function firstFrame(gif: Buffer): Uint8Array {
  let at = 13 + coloursOf(gif[10])
  while (at < gif.length) {
    const block = gif[at]
    if (block === extension) at = afterSubBlocks(gif, at + 2)
    else if (block === image) {
      const end = afterSubBlocks(gif, at + 10 + coloursOf(gif[at + 9]) + 1)
      return end < gif.length ? Buffer.concat([gif.subarray(0, end), trailer]) : gif
    } else return gif
  }
  return gif
}

/** The size of the colour table that these flags announce, in bytes. */
function coloursOf(flags = 0): number {
  return (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1)
}

function afterSubBlocks(gif: Buffer, start: number): number {
  let at = start
  for (let length = gif[at]; length !== undefined && length > 0; length = gif[at]) at += 1 + length
  return at + 1
}

/** The chunks that a photo's pixels and colours need. */
const shown: ReadonlySet<string> = new Set(['IHDR', 'PLTE', 'tRNS', 'gAMA', 'cHRM', 'sRGB', 'iCCP', 'sBIT', 'IDAT', 'IEND'])
/**
 * Limits for the number of parts. Each part takes time of the event loop, and a part of a hostile file may be only two bytes. Photos have some ten
 * scans, and chunks of 8 KiB.
 */
const maxScans = 10_000
const maxChunks = 32_768
const startOfScan = Buffer.of(0xff, 0xda)
const extension = 0x21
const image = 0x2c
const trailer = Buffer.of(0x3b)
