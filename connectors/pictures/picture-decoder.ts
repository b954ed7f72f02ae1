import sharp, { type Metadata } from 'sharp'
import { Refused } from '../../topology/waggle-error.ts'
import { DecodeBudget } from './decode-budget.ts'
import { boundedSize, maxDecodeBytes, maxDecodeSeconds, maxPixels, maxStretch, type PictureSize } from './picture-bounds.ts'
import { type PictureFormat, pictureFormat } from './picture-format.ts'
import { scansOf, trimmedPicture } from './trimmed-picture.ts'

/** RGB pixels, row after row. */
export interface Picture {
  readonly height: number
  readonly width: number
  readonly pixels: Uint8Array
}

export interface DecodeOptions {
  /** The length of the decoded picture's shorter side in pixels. The other side follows from the aspect ratio, up to `maxStretch` times as long. */
  readonly shorterSide: number
}

/**
 * Decodes the first frame of a photo, and resizes it. Transparency becomes white, the aspect ratio stays, orientation tags are ignored. A JPEG is
 * decoded at a fraction of its size if that is large enough. If the longer side would exceed `shorterSide` × `maxStretch`, the picture becomes
 * smaller.
 *
 * All pictures of a process are decoded here. Once this module is loaded, sharp reads only the formats of `pictureFormat`. Throws `Refused` for other
 * bytes, and for a picture past the limits, whose header alone is read.
 */
export async function decodePicture(bytes: Uint8Array, options: DecodeOptions): Promise<Picture> {
  if (bytes.length === 0) throw new Refused('The body is empty, where a picture is needed')
  const format = pictureFormat(bytes)
  if (format === null) throw new Refused('The body is not a picture that can be read: send a JPEG, PNG, WebP, GIF or AVIF')
  const trimmed = trimmedPicture(bytes, format)
  const size = await sizeOf(trimmed, format)
  return budget.run(size.decodeBytes, () => decode(trimmed, outputSize(size, options)))
}

/** The size after decoding: at most `shorterSide`² × `maxStretch` pixels. */
function outputSize({ height, width }: PictureSize, { shorterSide }: DecodeOptions): { readonly height: number; readonly width: number } {
  const scale = Math.min(shorterSide / Math.min(height, width), (shorterSide * maxStretch) / Math.max(height, width))
  return { height: Math.max(1, Math.round(height * scale)), width: Math.max(1, Math.round(width * scale)) }
}

/** Reads only the header. Throws `Refused` for a picture past the limits. */
async function sizeOf(bytes: Uint8Array, format: PictureFormat): Promise<PictureSize> {
  let header: Metadata
  try {
    header = await sharp(bytes, reading).metadata()
  } catch (thrown) {
    throw refusal(thrown)
  }
  return boundedSize(header, { format, scans: format === 'jpeg' ? scansOf(bytes) : 1 })
}

async function decode(bytes: Uint8Array, { height, width }: { readonly height: number; readonly width: number }): Promise<Picture> {
  try {
    const { data, info } = await sharp(bytes, reading)
      .timeout({ seconds: maxDecodeSeconds })
      .resize({ height, width, fit: 'fill', kernel: 'lanczos3', fastShrinkOnLoad: true })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
    return { height: info.height, width: info.width, pixels: info.channels === 3 ? data : repeated(data, info.channels) }
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

/** Turns grey pixels into RGB. */
function repeated(data: Uint8Array, channels: number): Uint8Array {
  const pixels = new Uint8Array((data.length / channels) * 3)
  for (let from = 0, to = 0; from < data.length; from += channels, to += 3) pixels.fill(data[from] ?? 0, to, to + 3)
  return pixels
}

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
/** The budget of the process. All decoding shares its memory. */
const budget = new DecodeBudget({ heavyBytes: 64 * 1024 * 1024, lightBudgetBytes: 256 * 1024 * 1024, heavyBudgetBytes: maxDecodeBytes })
