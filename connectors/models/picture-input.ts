import type { ModelDatatype, PictureFit } from '../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ResampleTarget } from './picture-resampler.ts'
import type { RowInput } from './row-layout.ts'

export interface PictureInput extends ResampleTarget {
  readonly shape: readonly number[]
}

/**
 * The way a picture becomes a row: as the bee's spec says, or else as the shape of the only input requires ([height, width, 3] or [3, height,
 * width]). Null for a model that takes no pictures: it has several inputs, integers of more than eight bits, another number of channels than three,
 * or no fixed size.
 */
export function pictureInputOf(path: string, inputs: readonly RowInput[], told: PictureFit): PictureInput | null {
  const [input, other] = inputs
  if (input === undefined || other !== undefined || input.shape.length !== 3 || !pictureTypes.has(input.datatype)) return null
  const [first, , third] = input.shape
  const layout = told.layout ?? (first === 3 && third !== 3 ? 'NCHW' : 'NHWC')
  const channels = layout === 'NCHW' ? first : third
  if (told.layout === undefined && told.resize === undefined && channels !== 3) return null
  const [signedHeight = -1, signedWidth = -1] = layout === 'NCHW' ? input.shape.slice(1) : input.shape
  const height = told.resize?.[0] ?? signedHeight
  const width = told.resize?.[1] ?? signedWidth
  // A model without a fixed size gets tensors, as the bee image-preprocess makes them, unless its own spec says how pictures are resized.
  if (Math.min(height, width) < 1 && Object.keys(told).length === 0) return null
  const shape = layout === 'NCHW' ? [3, height, width] : [height, width, 3]
  if (!shape.every((wanted, at) => wanted > 0 && (input.shape[at] === -1 || input.shape[at] === wanted))) {
    throw new WaggleError('WAGGLE_MODEL_SHAPE', {
      message: `${path} takes [${['N', ...input.shape].join(', ')}], which [N, ${shape.join(', ')}] does not fit`,
      next: 'Correct resize and layout in the bee’s spec, or use a model whose input is [N, height, width, 3] or [N, 3, height, width].',
    })
  }
  if (input.datatype === 'UINT8' && told.values?.offsets.some((offset) => offset !== 0))
    throw new WaggleError('WAGGLE_MODEL_SHAPE', {
      message: `${path} takes UINT8, which cannot hold the fractions of normalize`,
      next: 'Leave normalize out, or use a model whose input is FP32.',
    })
  return { shape, height, width, layout, fit: told.fit ?? 'fill', values: told.values ?? unchanged }
}

const unchanged = { factors: [1, 1, 1], offsets: [0, 0, 0] } as const
const pictureTypes: ReadonlySet<ModelDatatype> = new Set(['FP32', 'FP16', 'FP64', 'UINT8'])
