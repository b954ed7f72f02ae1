import { Type } from 'typebox'
import type { PictureFit } from '../../topology/swarm/ports/models.ts'
import { type PixelSpec, pixelSchema, pixelValues } from './pixel-values.ts'
import { type VersionSpec, versionSpec } from './version-spec.ts'

/** The part of a prediction that other bees may rely on: a label, and scores by label. */
export const predictionType = Type.Object({ label: Type.String(), scores: Type.Record(Type.String(), Type.Number()) })

/** Settings that all model bees share. */
export const modelSpec = {
  labels: Type.Optional(
    // One schema has both types, because `anyOf` with two schemas would report a mistake for each of them.
    Type.Unsafe<readonly string[] | string>({
      type: ['array', 'string'],
      items: { type: 'string', minLength: 1 },
      minItems: 1,
      minLength: 1,
      description:
        'Names of the scores, in the output’s order; or the address of a file with them, a label a line or a list in a .json file. Default: those of NAME.labels.txt or NAME.labels.json beside the model, or of its metadata, else the classes that the file names, else 0, 1, …',
    }),
  ),
  sha256: Type.Optional(
    Type.String({
      pattern: '^[0-9a-fA-F]{64}$',
      description: 'The SHA-256 of the model’s file, in hexadecimal. A file with another one is refused.',
    }),
  ),
  output: Type.Optional(Type.String({ description: 'The output that holds the scores. Default: probabilities, else the first list of numbers.' })),
  resize: Type.Optional(
    Type.Array(Type.Integer({ minimum: 1, maximum: 8192 }), {
      minItems: 2,
      maxItems: 2,
      description: '[height, width] that pictures are fitted to. Default: from the model.',
    }),
  ),
  fit: Type.Optional(
    Type.Enum(['fill', 'cover'], { default: 'fill', description: 'fill: the whole picture, squashed. cover: aspect kept, the centre cut out.' }),
  ),
  layout: Type.Optional(Type.Enum(['NHWC', 'NCHW'], { description: 'Default: from the model.' })),
  ...pixelSchema,
  ...versionSpec,
}

export interface ModelSpec extends PixelSpec, VersionSpec {
  readonly model: string
  readonly labels?: readonly string[]
  readonly output?: string
  readonly resize?: readonly number[]
  readonly fit?: 'fill' | 'cover'
  readonly layout?: 'NHWC' | 'NCHW'
  readonly signature?: string
  readonly backend?: 'auto' | 'onnx' | 'tfjs'
}

export function fitOf(spec: Omit<ModelSpec, 'model'>): PictureFit {
  const { resize, fit, layout, scale, normalize } = spec
  return {
    ...(resize?.[0] === undefined || resize[1] === undefined ? {} : { resize: [resize[0], resize[1]] }),
    ...(fit === undefined ? {} : { fit }),
    ...(layout === undefined ? {} : { layout }),
    ...(scale === undefined && normalize === undefined ? {} : { values: pixelValues(spec, 3) }),
  }
}
