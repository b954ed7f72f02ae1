import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { ownMember } from '../../topology/own-member.ts'
import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import { invalidSwarm, mistakeAt } from '../../topology/swarm/swarm-document.ts'
import { localModel, type ModelSource, servedModel } from './model-source.ts'
import { boundedSteps, quotedName, SwarmDraft } from './swarm-draft.ts'
import { dataOf, type FieldType, inferenceInput, type TensorSource } from './tensor-expression.ts'
import { type ProtoMessage, readTextProtobuf } from './text-protobuf.ts'

/** The source of a tensor of the ensemble: the bee that produces the tensor, and the tensor's name and form in that bee's result. */
interface Source {
  readonly bee: string
  readonly field: string
  readonly form: 'fields' | 'outputs'
  readonly type?: FieldType
}

interface Step {
  readonly model: string
  readonly version: string | null
  /** The tensor of the ensemble for each input of the model, by the input's name. */
  readonly inputs: ReadonlyMap<string, string>
  readonly outputs: ReadonlyMap<string, string>
  readonly place: string
}

/**
 * Makes a swarm from an ensemble of Triton Inference Server (`config.pbtxt` with `ensemble_scheduling`). Models are searched beside the ensemble's
 * folder, as in a model repository. `folder` is the future folder of the swarm file.
 */
export function importTritonEnsemble(text: string, file: string, folder: string): SwarmDraft {
  const config = readTextProtobuf(text, file)
  const [scheduling] = config.messages('ensemble_scheduling')
  if (scheduling === undefined) throw notAnEnsemble(config, file)
  const name = config.text('name') ?? 'ensemble'
  const draft = new SwarmDraft(file, name)
  const entrance = draft.addEntrance(name, config.all('name')[0]?.place ?? `${file}:1:1`)
  const sources = new Map<string, Source>()
  for (const [field, type] of tensorsOf(config, 'input', file)) sources.set(field, { bee: entrance, field, form: 'fields', type })
  const steps = boundedSteps(scheduling.message.messages('step'), file).map(({ message, place }) => stepOf(message, place, draft))
  for (const step of inOrder(steps, sources, file)) addStep(step, sources, { draft, file, folder })
  const outputs = new Map(config.messages('output').map(({ message }) => [message.text('name') ?? '', message.text('name') ?? '']))
  const missing = [...outputs.keys()].find((tensor) => !sources.has(tensor))
  if (missing !== undefined) throw unmade(missing, config.all('output')[0]?.place ?? `${file}:1:1`, sources.keys(), file)
  draft.add('answer', { type: 'respond', input: { name: renamed(`${name}-output`, outputs, sources, draft) } })
  noteTheRest(config, draft)
  noteFields(scheduling.message, ['step'], draft)
  return draft
}

function stepOf(message: ProtoMessage, place: string, draft: SwarmDraft): Step {
  const pairs = (field: string) =>
    new Map(message.messages(field).map(({ message: pair }) => [pair.text('key') ?? '', pair.text('value') ?? ''] as const))
  noteFields(message, ['model_name', 'model_version', 'input_map', 'output_map'], draft)
  const version = message.text('model_version')
  return {
    model: message.text('model_name') ?? '',
    version: version === '-1' ? null : version,
    inputs: pairs('input_map'),
    outputs: pairs('output_map'),
    place,
  }
}

/** The steps in an order in which each step follows the steps whose tensors it uses. */
function inOrder(steps: readonly Step[], sources: ReadonlyMap<string, Source>, file: string): readonly Step[] {
  const made = new Set(sources.keys())
  const ordered: Step[] = []
  let left = steps
  while (left.length > 0) {
    const ready = left.filter(({ inputs }) => [...inputs.values()].every((tensor) => made.has(tensor)))
    const [stuck] = left
    if (ready.length === 0 && stuck !== undefined) {
      const tensor = [...stuck.inputs.values()].find((one) => !made.has(one)) ?? ''
      throw unmade(tensor, stuck.place, made, file)
    }
    for (const step of ready) for (const tensor of step.outputs.values()) made.add(tensor)
    ordered.push(...ready)
    left = left.filter((step) => !ready.includes(step))
  }
  return ordered
}

interface Surroundings {
  readonly draft: SwarmDraft
  readonly file: string
  /** The future folder of the swarm file. */
  readonly folder: string
}

function addStep(step: Step, sources: Map<string, Source>, { draft, file, folder }: Surroundings): void {
  const { type, spec, left } = modelSource(step, file, folder)
  if (left !== null) draft.note(step.place, left.message, left.next)
  if (type === 'http-call' && step.version !== null)
    draft.note(
      step.place,
      `model_version ${step.version} of ${step.model} has no equal`,
      'Name the version in the url of the bee: /v2/models/MODEL/versions/VERSION/infer.',
    )
  const isServed = type === 'http-call'
  const input = isServed ? inferenceBody(step, sources, draft) : renamed(`${step.model}-input`, step.inputs, sources, draft)
  if (!isServed) noteFlat(step, sources, draft)
  const bee = draft.add(step.model, { type, input: { name: input }, spec })
  const known = isServed ? new Map<string, FieldType>() : tensorsOfModel(step.model, file)
  for (const [field, tensor] of step.outputs) {
    const fieldType = known.get(field)
    sources.set(tensor, { bee, field, form: isServed ? 'outputs' : 'fields', ...(fieldType === undefined ? {} : { type: fieldType }) })
  }
  if (!isServed)
    draft.note(
      step.place,
      `the bee ${bee} names its scores by their labels, and other outputs by their names`,
      `Look at a result of it (waggle topics tail), and correct the expressions that read ${[...step.outputs.keys()].join(', ')}.`,
    )
}

/** A model with several dimensions takes nested lists, but a model server gives flat lists. */
function noteFlat({ model, inputs, place }: Step, sources: ReadonlyMap<string, Source>, draft: SwarmDraft): void {
  const flat = [...inputs].find(([, tensor]) => sources.get(tensor)?.form === 'outputs')
  if (flat !== undefined)
    draft.note(
      place,
      `the model server gives ${flat[1]} as a flat list, and the bee of ${model} takes lists of the shape of ${flat[0]}`,
      'If that has several dimensions, put a module bee in between that nests the list.',
    )
}

/** A new map bee that makes the body of a request to the model server of a step. */
function inferenceBody({ model, inputs }: Step, sources: ReadonlyMap<string, Source>, draft: SwarmDraft): string {
  const { bees, pairs } = pairsOf(inputs, sources)
  const tensors = pairs.map(({ name, source }) => inferenceInput(source, name))
  return draft.add(`${model}-input`, { type: 'map', input: inputOf(bees), spec: { expression: `{inputs: [${tensors.join(', ')}]}` } })
}

/** The bee whose result contains these tensors under these names: the only source itself, or a new map bee. */
function renamed(wanted: string, names: ReadonlyMap<string, string>, sources: ReadonlyMap<string, Source>, draft: SwarmDraft): string {
  const { bees, pairs } = pairsOf(names, sources)
  const [only] = bees
  if (bees.length === 1 && only !== undefined && pairs.every(({ name, source }) => source.form === 'fields' && name === source.tensor)) return only
  const fields = pairs.map(({ name, source }) => `${quotedName(name)}: ${dataOf(source)}`)
  return draft.add(wanted, { type: 'map', input: inputOf(bees), spec: { expression: `{${fields.join(', ')}}` } })
}

/** The tensors with these names and the bees that make them. */
function pairsOf(names: ReadonlyMap<string, string>, sources: ReadonlyMap<string, Source>) {
  const found = [...names].flatMap(([name, tensor]) => {
    const source = sources.get(tensor)
    return source === undefined ? [] : [{ name, ...source }]
  })
  const bees = [...new Set(found.map(({ bee }) => bee))]
  const pairs = found.map(({ name, bee, field, ...source }): { readonly name: string; readonly source: TensorSource } => ({
    name,
    source: { ...source, bee: bees.length === 1 ? null : bee, tensor: field },
  }))
  return { bees, pairs }
}

function inputOf(bees: readonly string[]): { readonly name: string } | { readonly join: readonly string[] } {
  const [only, second] = bees
  return only !== undefined && second === undefined ? { name: only } : { join: bees }
}

/** The inputs or outputs of a configuration, with their types. */
function tensorsOf(config: ProtoMessage, side: 'input' | 'output', file: string): ReadonlyMap<string, FieldType> {
  const isBatched = Number(config.text('max_batch_size') ?? '0') > 0
  return new Map(
    config.messages(side).map(({ message, place }) => {
      const datatype = (message.text('data_type') ?? 'TYPE_FP32').replace(/^TYPE_/, '').replace(/^STRING$/, 'BYTES')
      const dims = message.all('dims').flatMap(({ value }) => (typeof value === 'string' && /^-?\d+$/.test(value) ? [Number(value)] : []))
      if (dims.length > maxDims)
        throw invalidSwarm(file, [mistakeAt(place, `a tensor has ${dims.length} dimensions`, `Give the tensor at most ${maxDims} dimensions.`)])
      return [message.text('name') ?? '', { datatype, dims, isBatched }] as const
    }),
  )
}

/** The outputs of a model beside the ensemble's folder, with their types. Empty if its configuration names none. */
function tensorsOfModel(model: string, file: string): ReadonlyMap<string, FieldType> {
  const directory = join(dirname(file), '..', model)
  const config = configIn(directory)
  return config === null ? new Map() : tensorsOf(config, 'output', join(directory, 'config.pbtxt'))
}

/** The configuration of a model; null if the folder has none that can be read. */
function configIn(directory: string): ProtoMessage | null {
  const config = join(directory, 'config.pbtxt')
  if (!existsSync(config) || !statSync(config).isFile() || statSync(config).size > 1024 * 1024) return null
  return readTextProtobuf(readFileSync(config, 'utf8'), config)
}

/** The bee for the model of a step. The platform comes from the model's own configuration, which is beside the ensemble's folder. */
function modelSource({ model, version }: Step, file: string, folder: string): ModelSource {
  const directory = join(dirname(file), '..', model)
  const away = servedModel(model, 'http://localhost:8000', {
    message: `the model ${model} does not lie beside ${dirname(file)}`,
    next: 'The bee calls a Triton at localhost:8000. Or give it the type tensor-rt, and spec.model.',
  })
  if (!/^[\w-][\w.-]*$/.test(model) || !existsSync(directory)) return away
  const platform = platformOf(directory)
  const type = (
    {
      onnxruntime: 'tensor-rt',
      onnxruntime_onnx: 'tensor-rt',
      tensorflow: 'tf-serving',
      tensorflow_savedmodel: 'tf-serving',
      tensorflow_graphdef: 'tf-serving',
    } as const
  )[platform]
  if (type !== undefined)
    return localModel(type, `./${relative(folder, directory)}`, version === null || !/^\d+$/.test(version) ? {} : { version: Number(version) })
  return servedModel(model, 'http://localhost:8000', {
    message: `Waggle has no runtime for the model ${model} (${platform === '' ? 'without a platform' : platform})`,
    next: 'The bee calls a Triton at localhost:8000. Or export the model as ONNX and give it the type tensor-rt, or write a python or module bee.',
  })
}

/** The platform or backend of a model. If no configuration names one, the files of the model decide, as in Triton itself. */
function platformOf(directory: string): string {
  const config = configIn(directory)
  const told = config?.text('platform') ?? config?.text('backend') ?? null
  if (told !== null) return told
  const versions = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const has = (name: string) => versions.some((version) => existsSync(join(directory, version.name, name)))
  return has('model.onnx') ? 'onnxruntime' : has('model.savedmodel') ? 'tensorflow' : has('model.pt') ? 'pytorch' : has('model.py') ? 'python' : ''
}

/** The expression for a shape grows with the square of this number. */
const maxDims = 16

/** Fields of an ensemble that need no note. */
const carried: ReadonlySet<string> = new Set(['name', 'platform', 'backend', 'input', 'output', 'ensemble_scheduling'])
/** The next step for each field that a swarm cannot express. */
const advice: { readonly [field: string]: string } = {
  max_batch_size: 'A request is one row here, without a batch dimension. Put a batch bee in front of a model, with this batch_size.',
  dynamic_batching: 'Put a batch bee in front of each model, with batch_size and timeout_seconds.',
  instance_group: 'Set replicas, and gpu, of each model bee.',
  version_policy: 'Set spec.versions of each model bee.',
  response_cache: 'Set a cache bee in front of what is slow, or send an Idempotency-Key.',
  sequence_batching: 'Keep state by key with a bee of the DSL.',
  model_warmup: 'Nothing: a model runs one batch of zeros before it is ready.',
  parameters: 'Put what a model needs into its spec.',
  model_transaction_policy: 'A request has one answer. Send parts of it from a python or module bee.',
  label_filename: 'Set spec.labels of the model bee, or put NAME.labels.txt beside the model.',
  optimization: 'Nothing: the runtime chooses.',
  data_type: 'Nothing: a request is JSON, and the model decides the type. spec.schema of the gateway checks requests.',
  dims: 'Nothing: a request is JSON, and the model decides the shape. spec.schema of the gateway checks requests.',
}

function noteTheRest(config: ProtoMessage, draft: SwarmDraft): void {
  noteFields(config, [...carried], draft)
  for (const field of ['input', 'output']) for (const { message } of config.messages(field)) noteFields(message, ['name'], draft)
}

function noteFields(message: ProtoMessage, known: readonly string[], draft: SwarmDraft): void {
  const noted = new Set<string>()
  for (const { name, value, place } of message.fields) {
    if (known.includes(name) || noted.has(name)) continue
    // A repeated field with simple values gets only one note.
    if (typeof value === 'string') noted.add(name)
    draft.note(place, `${name} has no equal`, ownMember(advice, name) ?? 'Leave it out, or do it in a bee of your own.')
  }
}

function notAnEnsemble(config: ProtoMessage, file: string) {
  const platform = config.text('platform') ?? config.text('backend')
  return invalidSwarm(file, [
    mistakeAt(
      `${file}:1:1`,
      `it is no ensemble${platform === null ? '' : ` but a model of ${platform}`}: ensemble_scheduling is missing`,
      'Name the config.pbtxt of an ensemble. A single model is one bee: type tensor-rt (ONNX) or tf-serving, with its folder as spec.model.',
    ),
  ])
}

function unmade(tensor: string, place: string, known: Iterable<string>, file: string) {
  const hint = didYouMean(tensor, known)
  return invalidSwarm(file, [
    mistakeAt(place, `no step before it and no input makes the tensor ${tensor}`, hint === '' ? 'Name a tensor of input or of an output_map.' : hint),
  ])
}
