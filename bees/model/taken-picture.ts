import type { ModelSignature } from '../../topology/swarm/ports/models.ts'
import type { TakenPicture } from '../define-bee.ts'

/** The part of a model bee's spec that says how it fits pictures. */
interface FitSpec {
  readonly resize?: readonly number[]
  readonly fit?: 'fill' | 'cover'
  readonly layout?: 'NHWC' | 'NCHW'
}

/**
 * The picture that a model takes: its only input has three dimensions, and one of these has the size 1 or 3, for the colours. Null for any other
 * model.
 */
export function takenPicture({ rows, takesPictures }: ModelSignature, spec: FitSpec): TakenPicture | null {
  const [input, another] = rows
  if (input === undefined || another !== undefined || input.shape.length !== 3) return null
  const [first = -1, second = -1, third = -1] = input.shape
  const layout = spec.layout ?? (isColours(first) && !isColours(third) ? 'NCHW' : 'NHWC')
  const channels = layout === 'NCHW' ? first : third
  const [height, width] = spec.resize ?? (layout === 'NCHW' ? [second, third] : [first, second])
  if (!(takesPictures || channels === 1 || channels === 3)) return null
  return {
    datatype: input.datatype,
    layout,
    channels: channels === 1 && !takesPictures ? 1 : 3,
    size: height === undefined || width === undefined || Math.min(height, width) < 1 ? null : { height, width },
    fit: spec.fit ?? 'fill',
    isFitted: takesPictures,
  }
}

function isColours(size: number): boolean {
  return size === 1 || size === 3
}
