import type { ModelSignature, PictureFit } from '../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ResampleTarget } from './picture-resampler.ts'

export interface ModelInput extends ResampleTarget {
  /** Shape of one row. */
  readonly shape: readonly number[]
  readonly rowSize: number
}

/** How a picture becomes a row: by the bee's spec where it says so, else by the model's signature ([N, H, W, 3] or [N, 3, H, W]). */
export function inputOf(path: string, { inputs }: ModelSignature, told: PictureFit): ModelInput {
  const signed = inputs[0]?.shape ?? []
  const layout = told.layout ?? (signed.length === 4 && signed[1] === 3 && signed[3] !== 3 ? 'NCHW' : 'NHWC')
  const [signedHeight, signedWidth] = layout === 'NCHW' ? [signed[2], signed[3]] : [signed[1], signed[2]]
  const isPicture = signed.length === 4
  const height = told.resize?.[0] ?? size(signedHeight)
  const width = told.resize?.[1] ?? size(signedWidth)
  const shape = isPicture ? (layout === 'NCHW' ? [3, height, width] : [height, width, 3]) : signed.slice(1)
  const fits = shape.every((wanted, at) => wanted > 0 && (signed[at + 1] === -1 || signed[at + 1] === wanted))
  if (!fits || signed.length < 2) {
    throw new WaggleError('WAGGLE_MODEL_SHAPE', {
      message: `${path} takes [${signed.join(', ')}], which [N, ${shape.join(', ')}] does not fit`,
      next: 'Correct resize and layout in the bee’s spec, or use a model whose input is [N, height, width, 3] or [N, 3, height, width].',
    })
  }
  return { shape, rowSize: shape.reduce((product, one) => product * one, 1), height, width, layout, fit: told.fit ?? 'fill', scale: told.scale ?? 1 }
}

function size(signed: number | undefined): number {
  return signed === undefined ? 1 : signed
}
