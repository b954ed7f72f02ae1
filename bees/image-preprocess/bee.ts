import { Refused } from '../../topology/waggle-error.ts'
import { type BeeFindings, defineBee, type TensorsInput } from '../define-bee.ts'
import { type PicturePlan, picturePlan } from './picture-plan.ts'
import { pictureTensor } from './picture-tensor.ts'
import { type PreprocessSpec, preprocessSchema } from './preprocess-spec.ts'

export default defineBee({
  type: 'image-preprocess',
  uses: ['replicas'],
  summary: 'Makes a tensor of a photo: decoded, upright, resized, cropped, padded and normalised, by default as the model that reads it takes it.',
  delivery: 'A photo is decoded again after a crash, to the same tensor.',
  spec: preprocessSchema,
  examples: [{}, { resize: 256, crop: 224, normalize: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }, layout: 'NCHW' }],
  output: { tensors: {} },
  keepsInput: true,
  fitsReaders: true,
  async check({ spec, readers }): Promise<BeeFindings> {
    return findingsOf(picturePlan(spec, await readers()))
  },
  create({ spec, ports, readers }) {
    // A spec with a size is checked before the first request. For a spec without a size, the plan depends on the readers.
    if (spec.resize !== undefined) picturePlan(spec, new Map())
    const { max_bytes: maxBytes = Number.POSITIVE_INFINITY } = spec
    const plans = new PlanOfReaders(spec, readers)
    return {
      async process(input: unknown): Promise<TensorsInput> {
        if (!(input instanceof Uint8Array)) throw new Refused('A picture is needed: send its bytes, with a content type such as image/jpeg')
        if (input.length > maxBytes)
          throw new Refused(`The picture has ${input.length.toLocaleString('en')} bytes; at most ${maxBytes.toLocaleString('en')} are accepted`)
        const plan = await plans.get()
        return { tensors: { image: pictureTensor(await ports.pictures.decode(input, plan.decoding), plan) } }
      },
    }
  },
})

/**
 * The plan of a running bee, made at the first request. By then the readers are open, so that no model has to be opened twice. If a reader does not
 * know yet which picture it takes, a spec with a size is used without the readers. The readers are asked again at the next request.
 */
class PlanOfReaders {
  readonly #spec: PreprocessSpec
  readonly #readers: () => Promise<ReadonlyMap<string, BeeFindings>>
  #plan: Promise<PicturePlan> | null = null

  constructor(spec: PreprocessSpec, readers: () => Promise<ReadonlyMap<string, BeeFindings>>) {
    this.#spec = spec
    this.#readers = readers
  }

  get(): Promise<PicturePlan> {
    this.#plan ??= this.#planned()
    return this.#plan
  }

  async #planned(): Promise<PicturePlan> {
    const found = await this.#readers().catch((thrown: unknown) => {
      this.#plan = null
      if (this.#spec.resize === undefined) throw thrown
      return new Map<string, BeeFindings>()
    })
    return picturePlan(this.#spec, found)
  }
}

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
