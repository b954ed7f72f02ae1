import type { PictureOptions, PictureTarget } from '../../topology/swarm/ports/pictures.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { BeeFindings, TakenPicture } from '../define-bee.ts'
import { type PixelValues, pixelValues } from '../model/pixel-values.ts'
import type { PreprocessSpec } from './preprocess-spec.ts'

/** The steps from a picture file to the tensor `image`. They depend on the spec and on the bees that read the tensor. */
export interface PicturePlan {
  readonly decoding: PictureOptions
  readonly datatype: 'UINT8' | 'FP32'
  readonly layout: 'NHWC' | 'NCHW'
  readonly values: PixelValues
  /** The shape of the tensor; -1 for a side that depends on the picture. */
  readonly shape: readonly number[]
  /** A clause such as `a takes 224 × 224 (fill), b takes 96 × 96 (cover)`; null if all readers take the same size. */
  readonly difference: string | null
}

/**
 * Plans the picture that all readers can take. Settings that the spec lacks come from the readers. Readers that resize pictures themselves get UINT8
 * [height, width, 3], which has a quarter of the bytes of FP32. If such readers take different sizes, the shorter side of the picture becomes as long
 * as the longest side among these sizes. Each reader then resizes the picture again. Throws WAGGLE_INVALID_PICTURE for settings that contradict each
 * other.
 */
export function picturePlan(spec: PreprocessSpec, readers: ReadonlyMap<string, BeeFindings>): PicturePlan {
  const taken = [...readers].flatMap(([bee, { picture }]) => (picture === undefined ? [] : [{ bee, ...picture }]))
  const [first] = taken
  const channels = spec.channels ?? first?.channels ?? 3
  const isScaled = spec.scale !== undefined || spec.normalize !== undefined
  const unfitted = taken.find(({ isFitted }) => !isFitted)
  const wantsNumbers = unfitted !== undefined && unfitted.datatype !== 'UINT8'
  const datatype = spec.datatype ?? (isScaled || wantsNumbers ? 'FP32' : 'UINT8')
  if (datatype === 'UINT8' && isScaled)
    throw invalid('scale and normalize give fractions, which UINT8 cannot hold', 'Leave datatype out, or set it to FP32.')
  const layout = spec.layout ?? (datatype === 'UINT8' && unfitted === undefined ? 'NHWC' : ((unfitted ?? first)?.layout ?? 'NHWC'))
  const isFree = spec.resize === undefined && spec.crop === undefined
  const difference = isFree ? differenceOf(taken) : null
  const frame = frameOf(spec, taken, difference !== null)
  const [height, width] = sidesOf(frame)
  return {
    decoding: {
      ...frame,
      channels,
      ...(spec.orient === undefined ? {} : { orient: spec.orient }),
      ...(spec.background === undefined ? {} : { background: spec.background }),
      ...(spec.max_pixels === undefined ? {} : { maxPixels: spec.max_pixels }),
    },
    datatype,
    layout,
    values: pixelValues(spec, channels),
    shape: layout === 'NHWC' ? [height, width, channels] : [channels, height, width],
    difference,
  }
}

type Taken = TakenPicture & { readonly bee: string }
type Frame = Pick<PictureOptions, 'shorterSide' | 'size' | 'crop'>

function frameOf(spec: PreprocessSpec, taken: readonly Taken[], isDifferent: boolean): Frame {
  const { resize, fit, pad } = spec
  const crop = spec.crop === undefined ? {} : { crop: sizeOf(spec.crop) }
  if (crop.crop !== undefined) refuseLarge(crop.crop, 'crop')
  if (pad !== undefined && fit !== 'contain') throw invalid('pad is the colour of the bars of fit: contain', 'Set fit to contain, or leave pad out.')
  if (typeof resize === 'number') {
    if (fit !== undefined)
      throw invalid('fit needs a height and a width, and resize names one side', 'Set resize to [height, width], or leave fit out.')
    const { crop: cut } = crop
    if (cut !== undefined && Math.max(cut.height, cut.width) > resize)
      throw invalid(`crop takes ${shown(cut)} pixels, and resize leaves a shorter side of ${resize}`, 'Make crop smaller, or resize larger.')
    return { shorterSide: resize, ...crop }
  }
  if (resize !== undefined) return { size: targetOf(sizeOf(resize), spec, crop.crop), ...crop }
  const sized = taken.find(({ size }) => size !== null)
  if (spec.crop !== undefined || sized === undefined || sized.size === null) {
    if (fit !== undefined)
      throw invalid('fit needs a size, and neither resize nor a bee that reads the picture names one', 'Set resize to [height, width].')
    return crop
  }
  if (isDifferent) return { shorterSide: Math.max(...taken.flatMap(({ size }) => (size === null ? [] : [size.height, size.width]))) }
  return { size: targetOf(sized.size, { ...spec, fit: fit ?? sized.fit }, undefined) }
}

interface Size {
  readonly height: number
  readonly width: number
}

function targetOf(size: Size, { fit = 'fill', pad }: PreprocessSpec, crop: Size | undefined): PictureTarget {
  if (crop !== undefined && (crop.height > size.height || crop.width > size.width))
    throw invalid(`crop takes ${shown(crop)} pixels, and resize leaves ${shown(size)}`, 'Make crop smaller, or resize larger.')
  refuseLarge(size, 'resize')
  return { ...size, fit, ...(pad === undefined ? {} : { pad }) }
}

function refuseLarge(size: Size, setting: 'crop' | 'resize'): void {
  if (size.height * size.width <= maxPixels) return
  throw invalid(`A picture of ${shown(size)} pixels has more than ${maxPixels.toLocaleString('en')}`, `Make ${setting} smaller.`)
}

/** Height and width of the result; -1 for a side that depends on the picture. */
function sidesOf({ size, crop }: Frame): readonly [number, number] {
  const known = crop ?? size
  return known === undefined ? [-1, -1] : [known.height, known.width]
}

/** A clause about readers of different sizes; null if all sizes are equal. */
function differenceOf(taken: readonly Taken[]): string | null {
  const sized = taken.flatMap(({ bee, size, fit }) =>
    size === null ? [] : [{ bee, wanted: `${shown(size)}, ${fit}`, text: `${bee} takes ${shown(size)} (${fit})` }],
  )
  return new Set(sized.map(({ wanted }) => wanted)).size > 1 ? sized.map(({ text }) => text).join(', ') : null
}

/** The size of a setting. A single number is the side of a square. */
function sizeOf(sides: number | readonly number[]): Size {
  const [height = 1, width = height] = typeof sides === 'number' ? [sides] : sides
  return { height, width }
}

function shown({ height, width }: Size): string {
  return `${height} × ${width}`
}

function invalid(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_INVALID_PICTURE', { message, next })
}

/** The largest number of pixels of a result. */
const maxPixels = 4_194_304
