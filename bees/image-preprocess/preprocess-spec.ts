import { Type } from 'typebox'
import { type PixelSpec, pixelSchema } from '../model/pixel-values.ts'

const side = { minimum: 1, maximum: 4096 }
const colour = { pattern: '^#[0-9a-fA-F]{6}$' }

/** A number or a list of two numbers. One schema has both forms, because `anyOf` with two schemas would report a mistake for each of them. */
function sides(description: string): Type.TUnsafe<number | readonly number[]> {
  return Type.Unsafe({ type: ['integer', 'array'], ...side, items: { type: 'integer', ...side }, minItems: 2, maxItems: 2, description })
}

/** The settings of `image-preprocess`, in the order in which they are applied. */
export const preprocessSchema = Type.Object(
  {
    max_pixels: Type.Optional(Type.Integer({ minimum: 1, maximum: 50_000_000, default: 50_000_000, description: 'The most pixels of a picture.' })),
    max_bytes: Type.Optional(Type.Integer({ minimum: 1, maximum: 67_108_864, default: 67_108_864, description: 'The most bytes of a picture.' })),
    orient: Type.Optional(Type.Boolean({ default: true, description: 'Whether the picture is turned upright as its EXIF data says.' })),
    background: Type.Optional(Type.String({ ...colour, default: '#ffffff', description: 'The colour that stands for transparency.' })),
    channels: Type.Optional(Type.Enum([1, 3], { description: '3 for RGB, 1 for grey. Default: from the model, else 3.' })),
    resize: Type.Optional(sides('The length of the shorter side, with the aspect kept; or [height, width]. Default: the size that the model takes.')),
    fit: Type.Optional(
      Type.Enum(['fill', 'cover', 'contain'], {
        default: 'fill',
        description: 'fill: the whole picture, squashed. cover: aspect kept, the centre cut out. contain: aspect kept, with bars.',
      }),
    ),
    pad: Type.Optional(Type.String({ ...colour, default: '#000000', description: 'The colour of the bars of contain.' })),
    crop: Type.Optional(sides('The side of the square, or [height, width], that is cut out of the middle after the resize.')),
    ...pixelSchema,
    datatype: Type.Optional(
      Type.Enum(['UINT8', 'FP32'], { description: 'Default: UINT8; FP32 with scale or normalize, and where only that is taken.' }),
    ),
    layout: Type.Optional(Type.Enum(['NHWC', 'NCHW'], { description: 'Default: NHWC for UINT8, that of the model for FP32.' })),
  },
  { additionalProperties: false },
)

export interface PreprocessSpec extends PixelSpec {
  readonly max_pixels?: number
  readonly max_bytes?: number
  readonly orient?: boolean
  readonly background?: string
  readonly channels?: 1 | 3
  readonly resize?: number | readonly number[]
  readonly fit?: 'fill' | 'cover' | 'contain'
  readonly pad?: string
  readonly crop?: number | readonly number[]
  readonly datatype?: 'UINT8' | 'FP32'
  readonly layout?: 'NHWC' | 'NCHW'
}
