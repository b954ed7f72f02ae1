import { Type } from 'typebox'
import type { ModelResult, ModelRow, Models, OpenModel, PictureFit, TensorSignature } from '../topology/swarm/ports/models.ts'
import { saidBy, WaggleError } from '../topology/waggle-error.ts'
import type { Bee, BeeCheckContext, BeeContext, BeeFindings } from './define-bee.ts'
import { exampleOf, modelRowOf, shownInputs, zeroRow } from './model-input.ts'
import { modelMisfit } from './model-misfit.ts'
import { type ModelPrediction, type ModelReading, predictionOf, readingOf, shownReading } from './model-reading.ts'

/** The part of a prediction that other bees may rely on: a label, and scores by label. */
export const predictionType = Type.Object({ label: Type.String(), scores: Type.Record(Type.String(), Type.Number()) })

/** Settings that all model bees share. */
export const modelSpec = {
  labels: Type.Optional(
    Type.Union([Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }), Type.String({ minLength: 1 })], {
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
  readonly signature?: string
  readonly version?: number
  readonly backend?: 'auto' | 'onnx' | 'tfjs'
}

/** A bee that runs one model file on batches of rows. */
export async function modelBee(context: BeeContext<ModelSpec>, runtime: 'tensorflow' | 'onnx'): Promise<Bee<unknown, ModelPrediction>> {
  const { spec, gpu, ports, bee } = context
  const model = await openModel(context, runtime, gpu, ports.models, context.log)
  const reading = await readOrClose(model, spec)
  await warmUp(model, context)
  context.log('info', `${spec.model} on ${model.device}${shownChoice(model)}`)
  return {
    async processBatch(inputs, requests) {
      const rows = inputs.map((input) => attempt(() => modelRowOf(input, model.signature)))
      const good = rows.filter((row): row is ModelRow => !(row instanceof WaggleError))
      const results = good.length === 0 ? [] : await model.run(good, requests[0]?.signal ?? neverAborted)
      let next = 0
      return rows.map((row) => {
        if (row instanceof WaggleError) return row
        const result = results[next++] as ModelResult
        return attempt(() => predictionOf(result, reading, bee))
      })
    },
    close: () => model.close(),
    example: () => exampleOf(model.signature),
  }
}

/** Opens the model that a spec names, and finds its inputs and outputs. Throws WAGGLE_MODEL_SHAPE if the spec does not fit them. */
export async function checkModel(context: BeeCheckContext<ModelSpec>, runtime: 'tensorflow' | 'onnx'): Promise<BeeFindings> {
  const model = await openModel(context, runtime, 0, context.ports.models, () => {})
  try {
    const { signature } = model
    const reading = readingOf(context.spec, signature)
    const runsOn = model.choice === null ? {} : { runs_on: model.device, why: model.choice }
    return {
      misfit: (given) => modelMisfit(given, signature),
      labels: reading.scores.length > 0 || reading.label !== null ? reading.labels : null,
      signature: {
        inputs: signature.rows.map(shownTensor),
        outputs: signature.outputRows.map(shownTensor),
        rows_per_run: signature.rowsPerRun,
        ...runsOn,
      },
      summary: `takes ${shownInputs(signature)}; gives ${shownReading(reading, signature)}${model.choice === null ? '' : `; runs on ${model.device}${shownChoice(model)}`}`,
    }
  } finally {
    await model.close()
  }
}

/**
 * Runs one full batch of zeros before the bee is open. A library reserves the memory of its largest batch and compiles for it in the first run, so the first
 * requests wait no longer than later ones, and memory stays flat. A model that cannot compute zeros is opened all the same.
 */
async function warmUp(model: OpenModel, { batchSize, log }: Pick<BeeContext<ModelSpec>, 'batchSize' | 'log'>): Promise<void> {
  const row = zeroRow(model.signature)
  if (row === null) return
  try {
    await model.run(Array<ModelRow>(batchSize).fill(row), neverAborted)
  } catch (thrown) {
    log('debug', `A batch of zeros fails, so the model is not warmed up: ${saidBy(thrown)}`)
  }
}

function shownChoice({ choice }: OpenModel): string {
  return choice === null ? '' : ` (${choice})`
}

async function openModel(
  { spec, resolve }: Pick<BeeContext<ModelSpec>, 'spec' | 'resolve'>,
  runtime: 'tensorflow' | 'onnx',
  gpu: number,
  models: Models,
  log: BeeContext<ModelSpec>['log'],
): Promise<OpenModel> {
  const { model, output, signature, version, backend } = spec
  const tensorflow = {
    ...(signature === undefined ? {} : { signature }),
    ...(version === undefined ? {} : { version }),
    ...(backend === undefined ? {} : { backend }),
  }
  return models.open({
    path: await resolve(model, runtime === 'tensorflow' ? 'file or folder' : 'file'),
    runtime,
    gpu,
    fit: fitOf(spec),
    ...(output === undefined ? {} : { output }),
    tensorflow,
    isLabelled: spec.labels !== undefined,
    log,
  })
}

function fitOf({ resize, fit, layout, scale }: ModelSpec): PictureFit {
  return {
    ...(resize?.[0] === undefined || resize[1] === undefined ? {} : { resize: [resize[0], resize[1]] }),
    ...(fit === undefined ? {} : { fit }),
    ...(layout === undefined ? {} : { layout }),
    ...(scale === undefined ? {} : { scale }),
  }
}

function shownTensor({ name, datatype, shape }: TensorSignature): {
  readonly name: string
  readonly datatype: string
  readonly shape: readonly number[]
} {
  return { name, datatype, shape }
}

/** Closes the model if the spec does not fit it. Otherwise its thread would stay. */
async function readOrClose(model: OpenModel, spec: ModelSpec): Promise<ModelReading> {
  try {
    return readingOf(spec, model.signature)
  } catch (thrown) {
    await model.close()
    throw thrown
  }
}

function attempt<T>(make: () => T): T | WaggleError {
  try {
    return make()
  } catch (thrown) {
    return WaggleError.from('WAGGLE_BEE_FAILED', thrown, { next: 'Send an input that the model takes.' })
  }
}

const neverAborted = new AbortController().signal
