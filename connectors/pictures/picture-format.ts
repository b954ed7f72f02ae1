export type PictureFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'avif'

/**
 * The format that the first bytes announce; null for a format that Waggle does not decode. SVG and PDF are not decoded, because such a file is a
 * program that draws. TIFF is not decoded, because it can contain many codecs.
 */
export function pictureFormat(bytes: Uint8Array): PictureFormat | null {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 12)).toString('latin1')
  if (start.startsWith('\xff\xd8\xff')) return 'jpeg'
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return 'png'
  if (start.startsWith('GIF87a') || start.startsWith('GIF89a')) return 'gif'
  if (start.startsWith('RIFF') && start.slice(8) === 'WEBP') return 'webp'
  if (start.slice(4, 8) === 'ftyp' && avifBrands.has(start.slice(8))) return 'avif'
  return null
}

const avifBrands: ReadonlySet<string> = new Set(['avif', 'avis', 'mif1', 'msf1'])
