import type { Tensor } from '../../topology/swarm/payload/payload.ts'
import type { Picture } from '../../topology/swarm/ports/pictures.ts'
import type { PicturePlan } from './picture-plan.ts'

/** The tensor of a decoded picture. */
export function pictureTensor({ height, width, channels, pixels }: Picture, { datatype, layout, values }: PicturePlan): Tensor {
  const shape = layout === 'NHWC' ? [height, width, channels] : [channels, height, width]
  if (datatype === 'UINT8' && layout === 'NHWC') return { datatype, shape, data: pixels }
  const data = datatype === 'UINT8' ? new Uint8Array(pixels.length) : new Float32Array(pixels.length)
  const plane = height * width
  const [step, stride] = layout === 'NHWC' ? [1, channels] : [plane, 1]
  for (let channel = 0; channel < channels; channel++) {
    const factor = values.factors[channel] ?? 1
    const offset = values.offsets[channel] ?? 0
    for (let from = channel, to = channel * step, at = 0; at < plane; at++, from += channels, to += stride)
      data[to] = (pixels[from] ?? 0) * factor + offset
  }
  return { datatype, shape, data }
}
