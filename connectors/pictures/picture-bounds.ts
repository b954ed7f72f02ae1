import type { Metadata } from 'sharp'
import { Refused } from '../../topology/waggle-error.ts'
import type { PictureFormat } from './picture-format.ts'

export const maxPixels = 50_000_000
/** The most memory for decoding one picture. */
export const maxDecodeBytes = 320 * 1024 * 1024
export const maxDecodeSeconds = 10
/** The longer side of a decoded picture is at most this many times the requested shorter side. */
export const maxStretch = 4
/** The most pixels of a decoded picture. */
export const maxOutputPixels = 4_194_304
/** The most bytes of an encoded picture. */
export const maxFileBytes = 64 * 1024 * 1024
const maxAspect = 20
const maxScannedPixels = 1_000_000_000
/**
 * The bytes a pixel that decoding AVIF takes, as measured. The number is high, because the AVIF decoder holds several copies of whole 16-bit planes.
 */
const avifBytesPerPixel = 18

/** The fields of a picture's header that decoding needs. */
export type PictureHeader = Pick<
  Metadata,
  'autoOrient' | 'channels' | 'depth' | 'hasAlpha' | 'height' | 'isProgressive' | 'orientation' | 'space' | 'width'
>

export interface PictureSize {
  readonly height: number
  readonly width: number
  /** The most memory that decoding this picture takes. */
  readonly decodeBytes: number
}

/**
 * The size of a picture and the memory for decoding it, from its header and the number of its scans. Throws `Refused` for a picture above the limits.
 */
export function boundedSize(
  header: PictureHeader,
  { format, scans, mostPixels }: { readonly format: PictureFormat; readonly scans: number; readonly mostPixels: number },
): PictureSize {
  const { width = 0, height = 0, channels = 4, depth, isProgressive = false } = header
  const pixels = width * height
  const decodeBytes =
    pixels * (format === 'avif' ? avifBytesPerPixel : channels * (depth === 'ushort' ? 2 : 1) * (isProgressive || scans > 1 ? 2 : 1))
  const has = `The picture has ${width} × ${height} pixels`
  if (pixels > mostPixels) throw new Refused(`${has}; at most ${mostPixels.toLocaleString('en')} are accepted`)
  if (Math.max(width, height) > maxAspect * Math.min(width, height))
    throw new Refused(`${has}; its longer side may be at most ${maxAspect} times the shorter`)
  if (pixels * scans > maxScannedPixels)
    throw new Refused(`${has} in ${scans} scans; pixels times scans may be at most ${maxScannedPixels.toLocaleString('en')}`)
  if (decodeBytes > maxDecodeBytes)
    throw new Refused(`${has}, which take ${decodeBytes} bytes to decode; at most ${maxDecodeBytes.toLocaleString('en')} are accepted`)
  return { width, height, decodeBytes }
}
