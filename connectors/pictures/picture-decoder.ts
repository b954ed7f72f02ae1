import sharp from 'sharp'
import type { Picture, PictureOptions } from '../../topology/swarm/ports/pictures.ts'
import { Refused } from '../../topology/waggle-error.ts'
import { DecodeBudget } from './decode-budget.ts'
import { jpegHeader } from './jpeg-header.ts'
import { boundedSize, maxDecodeBytes, maxDecodeSeconds, maxFileBytes, maxPixels, type PictureHeader } from './picture-bounds.ts'
import { pictureFormat } from './picture-format.ts'
import { frameOf, type PictureFrame } from './picture-frame.ts'
import { scansOf, trimmedPicture } from './trimmed-picture.ts'

export type { Picture, PictureOptions }

/**
 * Decodes the first frame of a photo, turns it upright, and resizes and crops it. Transparency becomes white, unless `background` names another
 * colour. A JPEG is decoded at a fraction of its size if this is large enough. Colour profiles are ignored, as Pillow, OpenCV and TensorFlow ignore
 * them, but a CMYK picture's profile is used. A picture whose longer side would exceed `shorterSide` × `maxStretch` becomes smaller.
 *
 * All pictures of a process are decoded here. Once this module is loaded, sharp reads only the formats of `pictureFormat`. Throws `Refused` for bytes
 * in another format. Also throws `Refused` for a picture above the limits; only the header of such a picture is read.
 *
 * @example const { height, width, pixels } = await decodePicture(bytes, { shorterSide: 256 })
 */
export async function decodePicture(bytes: Uint8Array, options: PictureOptions): Promise<Picture> {
  if (bytes.length === 0) throw new Refused('The body is empty, where a picture is needed')
  if (bytes.length > maxFileBytes)
    throw new Refused(`The picture has ${bytes.length} bytes; at most ${maxFileBytes.toLocaleString('en')} are accepted`)
  const format = pictureFormat(bytes)
  if (format === null) throw new Refused('The body is not a picture that can be read: send a JPEG, PNG, WebP, GIF or AVIF')
  const trimmed = trimmedPicture(bytes, format)
  const header = (format === 'jpeg' ? jpegHeader(bytes) : null) ?? (await headerOf(trimmed))
  const scans = format === 'jpeg' ? scansOf(bytes) : 1
  const size = boundedSize(header, { format, scans, mostPixels: Math.min(maxPixels, options.maxPixels ?? maxPixels) })
  const turned = isTurned(header, options)
  const frame = frameOf(turned ? header.autoOrient : size, options)
  return budget.run(size.decodeBytes, () => decode(trimmed, { header, frame, options }))
}

async function headerOf(bytes: Uint8Array): Promise<PictureHeader> {
  try {
    return await sharp(bytes, reading).metadata()
  } catch (thrown) {
    throw refusal(thrown)
  }
}

/** True if the file's EXIF data turns or mirrors the picture. */
function isTurned({ orientation = 1 }: PictureHeader, { orient = true }: PictureOptions): boolean {
  return orient && orientation > 1
}

interface Decoding {
  readonly header: PictureHeader
  readonly frame: PictureFrame
  readonly options: PictureOptions
}

/** Decodes with only the needed operations. Each operation of libvips costs a tenth of a millisecond at any size. */
async function decode(bytes: Uint8Array, { header, frame: { resize, crop }, options }: Decoding): Promise<Picture> {
  const { channels = 3, background = '#ffffff' } = options
  try {
    const picture = sharp(bytes, { ...reading, ignoreIcc: header.space !== 'cmyk' }).timeout({ seconds: maxDecodeSeconds })
    if (isTurned(header, options)) picture.autoOrient()
    const { height, width, fit, pad = '#000000' } = resize
    picture.resize({ height, width, fit, background: pad, kernel: 'lanczos3', fastShrinkOnLoad: true })
    if (crop !== null) picture.extract(crop)
    if (header.hasAlpha) picture.flatten({ background }).removeAlpha()
    if (!(header.depth === 'uchar' && eightBits.has(header.space))) picture.toColourspace('srgb')
    const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true })
    return { height: info.height, width: info.width, channels, pixels: inChannels(data, info.channels, channels) }
  } catch (thrown) {
    throw refusal(thrown)
  }
}

function refusal(thrown: unknown): Refused {
  const said = (thrown instanceof Error ? thrown.message : String(thrown)).replace(/\s+/g, ' ').trim()
  if (/pixel limit/i.test(said)) return new Refused(`The picture has too many pixels; at most ${maxPixels.toLocaleString('en')} are accepted`)
  if (/timeout/i.test(said)) return new Refused(`The picture takes more than ${maxDecodeSeconds} s to decode: send a smaller one`)
  return new Refused(`The body is not a picture that can be read: ${said.slice(0, maxSaidCharacters)}`)
}

function inChannels(data: Uint8Array, from: number, to: 1 | 3): Uint8Array {
  if (from === to) return data
  return to === 1 ? brightness(data, from) : repeated(data, from)
}

/** Turns grey pixels into RGB. */
function repeated(data: Uint8Array, channels: number): Uint8Array {
  const pixels = new Uint8Array((data.length / channels) * 3)
  for (let from = 0, to = 0; from < data.length; from += channels, to += 3) pixels.fill(data[from] ?? 0, to, to + 3)
  return pixels
}

/** The brightness of RGB pixels by BT.601, as Pillow, OpenCV and TensorFlow compute it. libvips computes a different brightness. */
function brightness(data: Uint8Array, channels: number): Uint8Array {
  const grey = new Uint8Array(data.length / channels)
  for (let at = 0, from = 0; at < grey.length; at++, from += channels)
    grey[at] = ((data[from] ?? 0) * 19_595 + (data[from + 1] ?? 0) * 38_470 + (data[from + 2] ?? 0) * 7_471 + 0x8000) >> 16
  return grey
}

/** Colour spaces whose values need no conversion to RGB or grey. */
const eightBits: ReadonlySet<string> = new Set(['srgb', 'b-w'])
const maxSaidCharacters = 300
const reading = { limitInputPixels: maxPixels, sequentialRead: true, failOn: 'error', pages: 1 } as const

// Pictures are decoded in parallel, with one thread each. A cache would not help, because pictures rarely repeat.
sharp.concurrency(1)
sharp.cache(false)
sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({
  operation: [
    'VipsForeignLoadJpegBuffer',
    'VipsForeignLoadPngBuffer',
    'VipsForeignLoadWebpBuffer',
    'VipsForeignLoadNsgifBuffer',
    'VipsForeignLoadHeifBuffer',
  ],
})
/** The budget of the process. All pictures that are being decoded share it. */
const budget = new DecodeBudget({ heavyBytes: 64 * 1024 * 1024, lightBudgetBytes: 256 * 1024 * 1024, heavyBudgetBytes: maxDecodeBytes })
