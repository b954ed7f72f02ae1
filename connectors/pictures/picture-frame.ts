import type { PictureOptions, PictureTarget } from '../../topology/swarm/ports/pictures.ts'
import { Refused } from '../../topology/waggle-error.ts'
import { maxOutputPixels, maxStretch } from './picture-bounds.ts'

/** The size to which a picture is resized, and the part that is then cut out. */
export interface PictureFrame {
  readonly resize: PictureTarget
  readonly crop: { readonly left: number; readonly top: number; readonly height: number; readonly width: number } | null
}

interface Size {
  readonly height: number
  readonly width: number
}

/**
 * The frame for a picture of this size. With `shorterSide` alone the picture becomes smaller if its longer side would exceed `shorterSide` ×
 * `maxStretch`. Throws `Refused` if the crop is larger than the picture, or if a picture that keeps its size is too large for a message.
 */
export function frameOf(size: Size, { shorterSide, size: target, crop }: PictureOptions): PictureFrame {
  const resize = target ?? { ...resized(size, shorterSide, crop !== undefined), fit: 'fill' }
  if (crop === undefined) {
    if (resize.height * resize.width > maxOutputPixels) throw new Refused(`${shown(resize)}; without resize at most ${pixels} are passed on`)
    return { resize, crop: null }
  }
  if (crop.height > resize.height || crop.width > resize.width)
    throw new Refused(`${shown(resize)}, and the crop takes ${crop.width} × ${crop.height} of them: send a larger picture`)
  const left = (resize.width - crop.width) >> 1
  const top = (resize.height - crop.height) >> 1
  return { resize, crop: { left, top, ...crop } }
}

function resized(size: Size, shorterSide: number | undefined, isCropped: boolean): Size {
  if (shorterSide === undefined) return size
  const { height, width } = size
  const whole = shorterSide / Math.min(height, width)
  // A crop limits the size of the result, so the longer side of the whole picture needs no limit.
  const scale = isCropped ? whole : Math.min(whole, (shorterSide * maxStretch) / Math.max(height, width))
  return { height: Math.max(1, Math.round(height * scale)), width: Math.max(1, Math.round(width * scale)) }
}

function shown({ height, width }: Size): string {
  return `The picture has ${width} × ${height} pixels`
}

const pixels = maxOutputPixels.toLocaleString('en')
