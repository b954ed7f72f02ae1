import { Type } from 'typebox'
import { WaggleError } from '../../topology/waggle-error.ts'

export interface NormalizeSpec {
  readonly mean: number | readonly number[]
  readonly std: number | readonly number[]
}

/** The settings `scale` and `normalize`, which models and `image-preprocess` share. */
export interface PixelSpec {
  readonly scale?: number
  readonly normalize?: NormalizeSpec
}

export const pixelSchema = {
  scale: Type.Optional(
    Type.Number({ description: 'Each value 0–255 is multiplied by it. Default: 1; with a normalize of values up to 1 it is 1/255.' }),
  ),
  normalize: Type.Optional(
    Type.Object(
      { mean: perChannel({}), std: perChannel({ exclusiveMinimum: 0 }) },
      {
        additionalProperties: false,
        description: 'Each value becomes (value × scale − mean) / std. Each is a number, or a list with one for each channel.',
      },
    ),
  ),
}

/** A pixel's value 0–255 becomes `value × factors[channel] + offsets[channel]`. */
export interface PixelValues {
  readonly factors: readonly number[]
  readonly offsets: readonly number[]
}

/**
 * The factors and offsets of a spec. ImageNet's mean and deviation are given for values 0–1 or for values 0–255. If all of these numbers are at most
 * 1, they are for values 0–1, and `scale` is 1/255 by default. Throws WAGGLE_INVALID_PICTURE if the length of a list differs from the number of
 * channels.
 */
export function pixelValues({ scale, normalize }: PixelSpec, channels: number): PixelValues {
  const mean = inChannels('mean', normalize?.mean ?? 0, channels)
  const std = inChannels('std', normalize?.std ?? 1, channels)
  const isOfUnit = normalize !== undefined && [...mean, ...std].every((value) => Math.abs(value) <= 1)
  const factor = scale ?? (isOfUnit ? 1 / 255 : 1)
  return { factors: std.map((deviation) => factor / deviation), offsets: mean.map((value, at) => -value / (std[at] ?? 1)) }
}

function inChannels(name: string, given: number | readonly number[], channels: number): readonly number[] {
  const values = typeof given === 'number' ? [given] : given
  const [one = 0] = values
  if (values.length === 1) return Array<number>(channels).fill(one)
  if (values.length === channels) return values
  throw new WaggleError('WAGGLE_INVALID_PICTURE', {
    message: `normalize.${name} has ${values.length} values, and a picture has ${channels} channels`,
    next: `Give one number, or ${channels} numbers.`,
  })
}

/** A number or a list of numbers. One schema has both forms, because `anyOf` with two schemas would report a mistake for each of them. */
function perChannel(bounds: { readonly exclusiveMinimum?: number }): Type.TUnsafe<number | readonly number[]> {
  return Type.Unsafe({ type: ['number', 'array'], ...bounds, items: { type: 'number', ...bounds }, minItems: 1, maxItems: 3 })
}
