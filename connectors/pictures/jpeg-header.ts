import type { PictureHeader } from './picture-bounds.ts'

/**
 * Reads the header of a plain JPEG, which saves opening the JPEG in libvips twice. Null if libvips must read the header, because the JPEG has EXIF
 * data, has a precision other than eight bits, or does not follow the format.
 *
 * Segments are `FF marker │ length u16 │ data`. A frame (SOF) has `precision u8 │ height u16 │ width u16 │ components u8`.
 */
export function jpegHeader(jpeg: Uint8Array): PictureHeader | null {
  const view = new DataView(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength)
  for (let at = 2; at + 10 <= jpeg.length && jpeg[at] === 0xff; at += 2 + view.getUint16(at + 2)) {
    const marker = jpeg[at + 1] ?? 0
    if (marker === app1) return null
    if (!frames.has(marker)) continue
    const channels = jpeg[at + 9]
    if (jpeg[at + 4] !== 8 || (channels !== 1 && channels !== 3)) return null
    const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)]
    if (height === 0 || width === 0) return null
    const space = channels === 1 ? 'b-w' : 'srgb'
    return { height, width, channels, space, depth: 'uchar', isProgressive: marker === progressive, hasAlpha: false, autoOrient: { height, width } }
  }
  return null
}

const app1 = 0xe1
const progressive = 0xc2
/** Baseline, extended and progressive frames. Other kinds are rare, or cannot be decoded. */
const frames: ReadonlySet<number> = new Set([0xc0, 0xc1, progressive])
