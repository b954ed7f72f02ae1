import { Refused, saidBy } from '../../topology/waggle-error.ts'
import { type BeeFindings, defineBee, type TensorsInput } from '../define-bee.ts'
import { type PicturePlan, picturePlan } from './picture-plan.ts'
import { pictureTensor } from './picture-tensor.ts'
import { preprocessSchema } from './preprocess-spec.ts'

export default defineBee({
  type: 'image-preprocess',
  summary: 'Makes a tensor of a photo: decoded, upright, resized, cropped, padded and normalised, by default as the model that reads it takes it.',
  delivery: 'A photo is decoded again after a crash, to the same tensor.',
  spec: preprocessSchema,
  examples: [{}, { resize: 256, crop: 224, normalize: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }, layout: 'NCHW' }],
  output: { tensors: {} },
  keepsInput: true,
  async check({ spec, readers }): Promise<BeeFindings> {
    return findingsOf(picturePlan(spec, await readers()))
  },
  create({ spec, ports, readers, log }) {
    // Without readers a size may be missing; the other settings are checked before the first request.
    if (spec.resize !== undefined) picturePlan(spec, new Map())
    const { max_bytes: maxBytes = Number.POSITIVE_INFINITY } = spec
    let planned: Promise<PicturePlan> | null = null
    return {
      async process(input: unknown): Promise<TensorsInput> {
        if (!(input instanceof Uint8Array)) throw new Refused('A picture is needed: send its bytes, with a content type such as image/jpeg')
        if (input.length > maxBytes)
          throw new Refused(`The picture has ${input.length.toLocaleString('en')} bytes; at most ${maxBytes.toLocaleString('en')} are accepted`)
        // The readers are open by the first request, so that no model has to be opened twice.
        planned ??= readers()
          .catch((thrown: unknown) => {
            if (spec.resize === undefined) throw thrown
            log('warn', `A bee that reads the picture cannot be checked here (${saidBy(thrown)}): the spec alone decides`)
            return new Map<string, BeeFindings>()
          })
          .then((found) => picturePlan(spec, found))
          .catch((thrown: unknown) => {
            planned = null
            throw thrown
          })
        const plan = await planned
        return { tensors: { image: pictureTensor(await ports.pictures.decode(input, plan.decoding), plan) } }
      },
    }
  },
})

function findingsOf({ datatype, shape, difference }: PicturePlan): BeeFindings {
  const remark =
    difference === null
      ? null
      : ({
          kind: 'warning',
          message: `The bees that read the picture take different sizes: ${difference}. Its shorter side has the largest of them, and each bee resizes it again`,
          next: 'Set resize to choose the size, or put an image-preprocess in front of each.',
        } as const)
  return {
    summary: `gives image (${datatype} [${shape.join(', ')}])`,
    signature: { outputs: [{ name: 'image', datatype, shape }] },
    output: { tensors: { image: { dtype: datatype, shape } } },
    ...(remark === null ? {} : { remarks: [remark] }),
  }
}
