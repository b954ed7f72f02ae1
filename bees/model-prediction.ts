import { Type } from 'typebox'
import type { ModelResult, ModelRow, OpenModel, PictureFit } from '../topology/swarm/ports/models.ts'
import { Refused, WaggleError } from '../topology/waggle-error.ts'
import type { Bee, BeeCheckContext, BeeContext, TensorsInput } from './define-bee.ts'

/** A model bee's output for one row. */
export interface ModelPrediction {
  readonly label: string
  readonly scores: { readonly [label: string]: number }
  readonly model: string
  /** The model's other small outputs, by name. */
  readonly [output: string]: unknown
}

/** The part of a prediction that other bees may rely on: a label, and scores by label. */
export const predictionType = Type.Object({ label: Type.String(), scores: Type.Record(Type.String(), Type.Number()) })

/** Settings that all model bees share. */
export const modelSpec = {
  labels: Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), { minItems: 1, description: 'Names of the scores, in the output’s order. Default: 0, 1, …' }),
  ),
  output: Type.Optional(Type.String({ description: 'The output that holds the scores. Default: probabilities, else the first.' })),
  resize: Type.Optional(
    Type.Array(Type.Integer({ minimum: 1, maximum: 8192 }), {
      minItems: 2,
      maxItems: 2,
      description: '[height, width] that pictures are fitted to. Default: from the model.',
    }),
  ),
  fit: Type.Optional(
    Type.Enum(['fill', 'cover'], { description: 'fill (the default): the whole picture, squashed. cover: aspect kept, the centre cut out.' }),
  ),
  layout: Type.Optional(Type.Enum(['NHWC', 'NCHW'], { description: 'Default: from the model.' })),
  scale: Type.Optional(Type.Number({ description: 'Each value 0–255 is multiplied by it. Default: 1.' })),
}

export interface ModelSpec {
  readonly model: string
  readonly labels?: readonly string[]
  readonly output?: string
  readonly resize?: readonly number[]
  readonly fit?: 'fill' | 'cover'
  readonly layout?: 'NHWC' | 'NCHW'
  readonly scale?: number
}

/** A bee that runs one model file on batches of rows. */
export async function modelBee(context: BeeContext<ModelSpec>, runtime: 'tensorflow' | 'onnx'): Promise<Bee<unknown, ModelPrediction>> {
  const { spec, gpu, ports, bee } = context
  const model = await ports.models.open({ path: await context.resolve(spec.model), runtime, gpu, fit: fitOf(spec), log: context.log })
  const scores = scoresOf(spec, model)
  context.log('info', `${spec.model} on ${model.device}`)
  return {
    async processBatch(inputs, requests) {
      const rows = inputs.map((input) => attempt(() => rowOf(input, model)))
      const good = rows.filter((row): row is ModelRow => !(row instanceof WaggleError))
      const results = good.length === 0 ? [] : await model.run(good, requests[0]?.signal ?? neverAborted)
      let next = 0
      return rows.map((row) => (row instanceof WaggleError ? row : predictionOf(results[next++] as ModelResult, scores, bee)))
    },
    close: () => model.close(),
    example: () => zeros(model.signature.inputs[0]?.shape.slice(1) ?? []),
  }
}

/** Checks that the model's output has as many scores as the spec has labels. Throws WAGGLE_MODEL_SHAPE. */
export async function checkModel({ spec, ports, resolve }: BeeCheckContext<ModelSpec>, runtime: 'tensorflow' | 'onnx'): Promise<void> {
  const model = await ports.models.open({ path: await resolve(spec.model), runtime, gpu: 0, fit: fitOf(spec), log: () => {} })
  try {
    scoresOf(spec, model)
  } finally {
    await model.close()
  }
}

/** Lists in lists, of this shape. A free dimension has one item. */
function zeros([size, ...inner]: readonly number[]): unknown {
  return size === undefined ? 0 : Array.from({ length: Math.max(1, size) }, () => zeros(inner))
}

function fitOf({ resize, fit, layout, scale }: ModelSpec): PictureFit {
  return {
    ...(resize?.[0] === undefined || resize[1] === undefined ? {} : { resize: [resize[0], resize[1]] }),
    ...(fit === undefined ? {} : { fit }),
    ...(layout === undefined ? {} : { layout }),
    ...(scale === undefined ? {} : { scale }),
  }
}

function scoresOf(spec: ModelSpec, model: OpenModel): { readonly output: string; readonly labels: readonly string[] } {
  const { outputs } = model.signature
  const named = spec.output ?? (outputs.some(({ name }) => name === 'probabilities') ? 'probabilities' : outputs[0]?.name)
  const output = outputs.find(({ name }) => name === named)
  const names = outputs.map(({ name }) => name).join(', ')
  if (output === undefined)
    throw new WaggleError('WAGGLE_MODEL_SHAPE', { message: `${spec.model} has no output ${named}`, next: `Set output to one of: ${names}.` })
  const width = output.shape.slice(1).reduce((product, size) => product * Math.max(1, size), 1)
  const labels = spec.labels ?? Array.from({ length: width }, (_, at) => String(at))
  if (labels.length === width) return { output: output.name, labels }
  throw new WaggleError('WAGGLE_MODEL_SHAPE', {
    message: `${spec.model} gives ${width} scores in ${output.name}, and spec.labels names ${labels.length}`,
    next: `Name ${width} labels, or set output to one of: ${names}.`,
  })
}

function predictionOf(
  { outputs }: ModelResult,
  { output, labels }: { readonly output: string; readonly labels: readonly string[] },
  model: string,
): ModelPrediction {
  const values = Object.hasOwn(outputs, output) ? (outputs[output] ?? []) : []
  const best = values.reduce((top, value, at) => (value > (values[top] ?? Number.NEGATIVE_INFINITY) ? at : top), 0)
  const others = Object.entries(outputs).flatMap(([name, other]) =>
    name === output || predictionFields.has(name) ? [] : [[name, other.length === 1 ? other[0] : other] as const],
  )
  return {
    label: labels[best] ?? '',
    scores: Object.fromEntries(labels.map((label, at) => [label, values[at] ?? 0])),
    model,
    ...Object.fromEntries(others),
  }
}

/** Fields of every prediction. Other outputs of the model cannot overwrite them. */
const predictionFields: ReadonlySet<string> = new Set(['label', 'scores', 'model'])

/** A row from a picture ({ tensors: { image } }, [h, w, 3] of UINT8), from a tensor of the model's own shape, or from its values as JSON lists. */
function rowOf(input: unknown, model: OpenModel): ModelRow {
  if (isTensors(input)) {
    const tensors = Object.values(input.tensors)
    const picture = tensors.find(({ datatype, shape }) => datatype === 'UINT8' && shape.length === 3 && shape[2] === 3)
    if (picture !== undefined && picture.data instanceof Uint8Array) return pictureRow(picture.data, picture.shape)
    const values = tensors.find(({ datatype, data }) => datatype === 'FP32' && data.length === model.rowSize)
    if (values?.data instanceof Float32Array) return { kind: 'values', values: values.data }
    throw new Refused(`The tensors ${tensors.map(({ datatype, shape }) => `${datatype} [${shape}]`).join(', ')} do not fit: ${wanted(model)}`)
  }
  if (Array.isArray(input)) {
    const values = input.flat(Number.POSITIVE_INFINITY) as unknown[]
    if (values.length === model.rowSize && values.every((value) => typeof value === 'number'))
      return { kind: 'values', values: Float32Array.from(values as number[]) }
  }
  throw new Refused(`The input does not fit: ${wanted(model)}`)
}

function pictureRow(pixels: Uint8Array, [height = 0, width = 0]: readonly number[]): ModelRow {
  if (Math.min(height, width) < 1 || Math.max(height, width) > maxPictureSide)
    throw new Refused(`The picture has ${height} × ${width} pixels; each side may have 1 to ${maxPictureSide}`)
  if (pixels.length !== height * width * 3)
    throw new Refused(`The picture of ${height} × ${width} pixels has ${pixels.length} bytes, where ${height * width * 3} are needed`)
  return { kind: 'picture', height, width, pixels }
}

function wanted({ signature, rowSize }: OpenModel): string {
  return `a picture, or ${rowSize} numbers of shape [${signature.inputs[0]?.shape.slice(1).join(', ')}], is what the model takes`
}

function isTensors(input: unknown): input is TensorsInput {
  return input !== null && typeof input === 'object' && 'tensors' in input
}

function attempt<T>(make: () => T): T | WaggleError {
  try {
    return make()
  } catch (thrown) {
    return WaggleError.from('WAGGLE_BEE_FAILED', thrown, { next: 'Send an input that the model takes.' })
  }
}

/** The resampler's memory grows with each side, not with the number of pixels alone. */
const maxPictureSide = 8192
const neverAborted = new AbortController().signal
