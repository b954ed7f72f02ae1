import type { FoundVersion, ModelOptions, OpenModel, TensorSignature, VersionFolder } from '../../topology/swarm/ports/models.ts'
import { shownAddress } from '../../topology/swarm/secrets/shown-address.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Bee, BeeCheckContext, BeeContext, BeeFindings, BeePorts } from '../define-bee.ts'
import { exampleOf, rowType, shownInputs } from '../model/model-input.ts'
import { modelMisfit } from '../model/model-misfit.ts'
import { type ModelPrediction, readingOf, shownReading } from '../model/model-reading.ts'
import { fitOf, type ModelSpec } from '../model/model-spec.ts'
import { takenPicture } from '../model/taken-picture.ts'
import { versionMistake, versionNames, versionPolicy, wantedVersions } from '../model/version-spec.ts'
import { type KeptFiles, keptFiles } from './kept-files.ts'
import { KeptModel } from './kept-model.ts'
import { MovingFolder } from './moving-folder.ts'
import { ReplicatedModel } from './replicated-model.ts'
import { trafficOf } from './traffic.ts'
import { VersionedModel } from './versioned-model.ts'

/** A bee that runs batches of rows through one model. The spec may ask for several loaded versions. */
export async function modelBee(context: BeeContext<ModelSpec>, runtime: 'tensorflow' | 'onnx'): Promise<Bee<unknown, ModelPrediction>> {
  const { spec, gpu, ports, bee, batchSize, log, now } = context
  const traffic = trafficOf(context)
  const path = (until: AbortSignal) => context.resolve(spec.model, 'file or folder', { log, until })
  const found = await keptFiles(path)
  const folder = await MovingFolder.at(found, { path, folderAt: (place) => versionsAt(place, runtime, context), now })
  let first: KeptFiles | null = found
  /**
   * The current files of the model. A reload of a model without versions finds the files again, because the model may have changed in an object
   * store.
   */
  const filesNow = async () => {
    const files = folder?.use() ?? first ?? (await keptFiles(path))
    first = null
    return files
  }
  const model = await VersionedModel.open({
    bee: context.shadows ?? bee,
    name: shownAddress(spec.model),
    folder,
    policy: versionPolicy(
      spec,
      traffic?.sides.map(({ version }) => version),
    ),
    traffic,
    isShadow: context.shadows !== undefined,
    names: versionNames(spec),
    noVersion: () => noVersion(found.path, runtime),
    async open(version) {
      const files = await filesNow()
      try {
        const options = modelOptions({ spec, path: files.path, version, runtime, gpu, log })
        return new KeptModel(new ReplicatedModel(await context.replicate(() => ports.models.open(options))), files)
      } catch (thrown) {
        files.end()
        throw thrown
      }
    },
    read: (signature) => readingOf(spec, signature),
    batchSize,
    watch: (look) => ports.models.watch(look),
    now,
    log,
  })
  return {
    processBatch: (inputs, requests) => model.predict(inputs, requests),
    close: () => model.close(),
    example: () => exampleOf(model.answering.model.signature),
    inputType: () => rowType(model.answering.model.signature),
    model,
    picture: takenPicture(model.answering.model.signature, spec),
  }
}

/** Opens the model that a spec names, and finds its inputs and outputs. Throws WAGGLE_MODEL_SHAPE if the spec does not fit the inputs and outputs. */
export async function checkModel(context: BeeCheckContext<ModelSpec>, runtime: 'tensorflow' | 'onnx'): Promise<BeeFindings> {
  const { spec, ports } = context
  const path = await modelPath(context)
  const folder = await versionsAt(path, runtime, context)
  const version = folder === null ? null : newest(context, await folder.look(), () => noVersion(path, runtime))
  return findingsOf(await ports.models.open(modelOptions({ spec, path, version, runtime, gpu: 0, log: () => {} })), spec)
}

/** The findings about an open model, which is closed afterwards. Throws WAGGLE_MODEL_SHAPE if the spec does not fit the model. */
export async function findingsOf(model: OpenModel, spec: ModelSpec): Promise<BeeFindings> {
  try {
    const { signature } = model
    const reading = readingOf(spec, signature)
    const runsOn = model.choice === null ? {} : { runs_on: model.device, why: model.choice }
    return {
      misfit: (given) => modelMisfit(given, signature),
      ...pictureOf(signature, spec),
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

function shownChoice({ choice }: OpenModel): string {
  return choice === null ? '' : ` (${choice})`
}

/** The path of a model on this machine. */
function modelPath({ spec, resolve }: Pick<BeeContext<ModelSpec>, 'spec' | 'resolve'>): Promise<string> {
  return resolve(spec.model, 'file or folder')
}

/**
 * The folder of a model's versions; null for a model without versions. Throws WAGGLE_MODEL_VERSIONS if the spec names versions, but the model has
 * none.
 */
async function versionsAt(
  path: string,
  runtime: ModelOptions['runtime'],
  { spec, ports }: { readonly spec: ModelSpec; readonly ports: Pick<BeePorts, 'models'> },
): Promise<VersionFolder | null> {
  const folder = await ports.models.versionsAt(path, runtime)
  const setting = (['version', 'versions', 'traffic', 'follow', 'shadow'] as const).find((key) => spec[key] !== undefined)
  if (folder !== null || setting === undefined) return folder
  throw versionMistake(
    `${shownAddress(spec.model)} is a model without versions, and ${setting} is set`,
    `Leave ${setting} out, or name a folder of numbered versions.`,
    setting,
  )
}

/**
 * The number of the version to check. Throws WAGGLE_MODEL_NOT_FOUND for a folder without versions, or if a version that the spec names is missing.
 */
function newest(context: BeeCheckContext<ModelSpec>, found: readonly FoundVersion[], noneThere: () => WaggleError): number {
  const { spec } = context
  const policy = versionPolicy(
    spec,
    trafficOf(context)?.sides.map(({ version }) => version),
  )
  const version = wantedVersions(policy, found).at(-1)
  if (version === undefined) throw noneThere()
  const missing = [...policy.required, ...(policy.shadow === null ? [] : [policy.shadow])].find(
    (one) => !found.some(({ version: there }) => there === one),
  )
  if (missing !== undefined) throw versionMissing(shownAddress(spec.model), missing, found)
  return version
}

function versionMissing(model: string, version: number, found: readonly FoundVersion[]): WaggleError {
  const there = found.length === 0 ? 'no version' : `the versions ${found.map((one) => one.version).join(', ')}`
  return new WaggleError('WAGGLE_MODEL_NOT_FOUND', {
    message: `${model} has no version ${version}: it has ${there}`,
    next: 'Correct the version in the bee’s spec, or put this version into the folder.',
  })
}

function noVersion(path: string, runtime: ModelOptions['runtime']): WaggleError {
  return new WaggleError('WAGGLE_MODEL_NOT_FOUND', {
    message:
      runtime === 'tensorflow'
        ? `${path} has no saved_model.pb, and no numbered folder with one`
        : `A file is needed, and this is a directory without numbered versions: ${path}`,
    next:
      runtime === 'tensorflow'
        ? 'Name the folder that TensorFlow wrote, with saved_model.pb and variables/ in it, or the folder of its versions.'
        : 'Name the .onnx file, or the folder of its versions: 1/, 2/, …, each with one .onnx file. A bee of type tf-serving runs a SavedModel folder.',
  })
}

function modelOptions({
  spec,
  path,
  version,
  runtime,
  gpu,
  log,
}: Pick<BeeContext<ModelSpec>, 'spec' | 'gpu' | 'log'> & Pick<ModelOptions, 'path' | 'runtime'> & { readonly version: number | null }): ModelOptions {
  const { output, signature, backend } = spec
  return {
    path,
    runtime,
    gpu,
    fit: fitOf(spec),
    ...(version === null ? {} : { version }),
    ...(output === undefined ? {} : { output }),
    tensorflow: { ...(signature === undefined ? {} : { signature }), ...(backend === undefined ? {} : { backend }) },
    isLabelled: spec.labels !== undefined,
    log,
  }
}

function pictureOf(signature: OpenModel['signature'], spec: ModelSpec): Pick<BeeFindings, 'picture'> {
  const picture = takenPicture(signature, spec)
  return picture === null ? {} : { picture }
}

function shownTensor({ name, datatype, shape }: TensorSignature): {
  readonly name: string
  readonly datatype: string
  readonly shape: readonly number[]
} {
  return { name, datatype, shape }
}
