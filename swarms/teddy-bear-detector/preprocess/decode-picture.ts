import sharp from 'sharp'
import { Refused } from 'waggle-streams'

/** RGB, row after row. */
export interface Picture {
  readonly height: number
  readonly width: number
  readonly pixels: Uint8Array
}

// The engine runs as many of these side by side as there is room for: one thread each, and no cache of what never comes again.
sharp.concurrency(1)
sharp.cache(false)

/**
 * A photo as the three models want it: flattened on white, aspect kept, its shorter side 256 pixels. JPEGs are decoded at a
 * fraction of their size where that is still large enough. Orientation tags are ignored, as the models' own reference does.
 */
export async function decodePicture(bytes: Uint8Array): Promise<Picture> {
  if (bytes.length === 0) throw new Refused('The body is empty, where a picture is needed')
  const image = sharp(bytes, { limitInputPixels: maxPixels, sequentialRead: true, failOn: 'error' })
  try {
    const { width = 0, height = 0 } = await image.metadata()
    if (width * height > maxPixels)
      throw new Refused(`The picture has ${width} × ${height} pixels; at most ${maxPixels.toLocaleString('en')} are accepted`)
    const resize =
      width < height
        ? { width: shorterSide, height: Math.round((height * shorterSide) / width) }
        : { height: shorterSide, width: Math.round((width * shorterSide) / height) }
    const { data, info } = await image
      .resize({ ...resize, fit: 'fill', kernel: 'lanczos3', fastShrinkOnLoad: true })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
    return { height: info.height, width: info.width, pixels: info.channels === 3 ? data : repeated(data, info.channels) }
  } catch (thrown) {
    if (thrown instanceof Refused) throw thrown
    const said = thrown instanceof Error ? thrown.message : String(thrown)
    if (/pixel limit/i.test(said)) throw new Refused(`The picture has too many pixels; at most ${maxPixels.toLocaleString('en')} are accepted`)
    throw new Refused(`The body is no picture that can be read: ${said.replace(/\s+/g, ' ').trim()}`)
  }
}

const shorterSide = 256
const maxPixels = 50_000_000

/** Grey pictures: the same value three times. */
function repeated(data: Uint8Array, channels: number): Uint8Array {
  const pixels = new Uint8Array((data.length / channels) * 3)
  for (let from = 0, to = 0; from < data.length; from += channels, to += 3) pixels.fill(data[from] ?? 0, to, to + 3)
  return pixels
}
