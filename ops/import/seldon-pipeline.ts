import { localModel, type ModelSource, servedModel } from './model-source.ts'
import { boundedSteps, SwarmDraft } from './swarm-draft.ts'
import { fieldsObject, type TensorForm, tensorList } from './tensor-expression.ts'
import type { YamlObject } from './yaml-object.ts'

/** A reference to the input or the output of a step, or to one tensor of an input or output: `step`, `step.outputs`, `step.inputs.tensor`. */
interface Reference {
  readonly step: string
  readonly side: 'inputs' | 'outputs'
  readonly tensor: string | null
  /** The text of the reference in the file. */
  readonly text: string
}

/** A bee, and the form of the tensors in its result. */
interface Produced {
  readonly bee: string
  readonly form: TensorForm
}

interface ReadKeys {
  /** The key that names the kind of the join. */
  readonly join: string
  /** The key that sets the time window of a join; null if no key sets it. */
  readonly window: string | null
  /** The form that the reader takes. */
  readonly form: TensorForm
}

/**
 * Makes a swarm from a Pipeline of Seldon Core 2 (`kind: Pipeline`). Models of the same file (`kind: Model`) provide the address of a model and the
 * server that runs it.
 */
export function importSeldonPipeline(pipeline: YamlObject, models: readonly YamlObject[], file: string): SwarmDraft {
  return new PipelineImport(pipeline, models, file).draft()
}

class PipelineImport {
  readonly #file: string
  readonly #name: string
  readonly #spec: YamlObject
  readonly #pipeline: YamlObject
  readonly #models: ReadonlyMap<string, YamlObject>
  readonly #draft: SwarmDraft
  /**
   * The bees of each step, by the step's name: the bee that produces its input, and the bee that produces its output. The pipeline itself counts as a
   * step, and both of its bees are the entrance.
   */
  readonly #bees = new Map<string, { readonly inputs: Produced; readonly outputs: Produced }>()

  constructor(pipeline: YamlObject, models: readonly YamlObject[], file: string) {
    this.#file = file
    this.#pipeline = pipeline
    this.#name = pipeline.object('metadata')?.text('name') ?? 'pipeline'
    const spec = pipeline.object('spec')
    if (spec === null) throw pipeline.wrong([], 'spec is missing', 'Name a Pipeline with spec.steps.')
    this.#spec = spec
    this.#models = new Map(models.map((model) => [model.object('metadata')?.text('name') ?? '', model]))
    this.#draft = new SwarmDraft(file, this.#name)
  }

  draft(): SwarmDraft {
    const spec = this.#spec
    const steps = boundedSteps(spec.objects('steps'), this.#file)
    if (steps.length === 0) throw spec.wrong(['steps'], 'there are no steps', 'Name a Pipeline with spec.steps.')
    const ordered = this.#inOrder(steps).map((step) => ({ step, source: this.#modelOf(nameOf(step)) }))
    const bee = this.#draft.addEntrance(this.#name, this.#pipeline.object('metadata')?.place('name') ?? this.#pipeline.place())
    const entrance: Produced = { bee, form: ordered.some(({ source }) => source.type === 'http-call') ? 'inputs' : 'fields' }
    if (entrance.form === 'inputs')
      this.#draft.note(
        spec.place('steps'),
        'a request is the body of an inference request, because a step calls a model server',
        'Send {"inputs": [{"name", "shape", "datatype", "data"}]}, as to Seldon.',
      )
    this.#bees.set(this.#name, { inputs: entrance, outputs: entrance })
    for (const { step, source } of ordered) this.#addStep(step, source)
    const output = spec.object('output')
    if (output === null)
      this.#draft.note(
        spec.place(),
        'output is missing, so callers get 202 and no answer',
        'Add a respond bee behind the step whose result is the answer.',
      )
    else {
      const texts = output.texts('steps')
      const isServed = texts.every((text) => this.#producedBy(referenceOf(text), output).form === 'outputs')
      const input = this.#read(`${this.#name}-output`, texts, output, { join: 'stepsJoin', window: null, form: isServed ? 'outputs' : 'fields' })
      this.#draft.add('answer', { type: 'respond', input: { name: input } })
      output.noteOthers(this.#draft, ['steps', 'stepsJoin', 'tensorMap'], {})
    }
    this.#pipeline.noteOthers(this.#draft, ['apiVersion', 'kind', 'metadata', 'spec', 'status'], {})
    spec.noteOthers(this.#draft, ['steps', 'output'], pipelineAdvice)
    return this.#draft
  }

  /** The steps in an order in which each step follows the steps that it reads. */
  #inOrder(steps: readonly YamlObject[]): readonly YamlObject[] {
    const names = new Set(steps.map((step) => nameOf(step)))
    const done = new Set([this.#name])
    const ordered: YamlObject[] = []
    let left = steps
    while (left.length > 0) {
      const ready = left.filter((step) => referencesOf(step).every((one) => done.has(one.step) || !names.has(one.step)))
      const [stuck] = left
      if (ready.length === 0 && stuck !== undefined)
        throw stuck.wrong(
          ['inputs'],
          `the steps ${left.map(nameOf).join(', ')} wait for each other`,
          'Waggle has cycles through a loop bee: import the steps without the way back, and add a loop.',
        )
      for (const step of ready) done.add(nameOf(step))
      ordered.push(...ready)
      left = left.filter((step) => !ready.includes(step))
    }
    return ordered
  }

  #addStep(step: YamlObject, { type, spec, left }: ModelSource): void {
    const name = nameOf(step)
    if (this.#bees.has(name)) throw step.wrong(['name'], `there are two steps named ${name}`, 'Give one another name.')
    const inputs = step.texts('inputs')
    const form = type === 'http-call' ? 'inputs' : 'fields'
    const keys = { join: 'inputsJoinType', window: 'joinWindowMs', form } as const
    let input = this.#read(`${name}-input`, inputs.length === 0 ? [this.#name] : inputs, step, keys)
    const before = { bee: input, form } as const
    const batch = step.object('batch')
    if (batch !== null) {
      batch.noteOthers(this.#draft, ['size', 'windowMs'], {})
      if (type === 'http-call')
        this.#draft.note(
          batch.place(),
          `batch has no equal in front of the ${type} bee ${name}`,
          'Put a batch bee in front once the step is a model bee.',
        )
      else
        input = this.#draft.add(`${name}-batch`, {
          type: 'batch',
          input: { name: input },
          spec: { batch_size: batch.number('size') ?? 10, timeout_seconds: (batch.number('windowMs') ?? 100) / 1000 },
        })
    }
    if (left !== null) this.#draft.note(step.place('name'), left.message, left.next)
    const bee = this.#draft.add(name, { type, input: { name: input }, spec })
    this.#bees.set(name, { inputs: before, outputs: { bee, form: type === 'http-call' ? 'outputs' : 'fields' } })
    step.noteOthers(this.#draft, ['name', 'inputs', 'inputsJoinType', 'joinWindowMs', 'tensorMap', 'batch'], stepAdvice)
  }

  /**
   * Returns the bee that produces the value of these references together, in the wanted form. It is the only referenced bee itself, or a new join,
   * merge or map bee. A map bee picks and renames tensors, and makes the body of a request to a model server.
   */
  #read(wanted: string, texts: readonly string[], at: YamlObject, keys: ReadKeys): string {
    const references = texts.map((text) => referenceOf(text))
    const renames = at.object('tensorMap')?.textEntries() ?? new Map<string, string>()
    const sources = references.map((reference) => ({ ...reference, ...this.#producedBy(reference, at) }))
    const bees = [...new Set(sources.map(({ bee }) => bee))]
    const [only] = bees
    if (only === undefined) throw at.wrong([], 'it reads no step', 'Name one.')
    const joinType = at.text(keys.join) ?? 'inner'
    const windowMs = keys.window === null ? null : at.number(keys.window)
    if (bees.length === 1 || joinType === 'any')
      for (const key of [keys.window, ...(bees.length === 1 ? [keys.join] : [])])
        if (key !== null && at.text(key) !== null)
          this.#draft.note(at.place(key), `${key} has no meaning for a step that does not join`, 'Leave it out.')
    if (bees.length > 1 && joinType === 'any') return this.#merged(wanted, sources, at, keys.form)
    const waits = {
      ...(windowMs === null ? {} : { timeout_seconds: windowMs / 1000 }),
      ...(joinType === 'outer' ? { on_timeout: 'partial' as const } : {}),
    }
    const picks = sources.filter(({ tensor }) => tensor !== null)
    if (bees.length === 1 && picks.length === 0 && renames.size === 0 && sources[0]?.form === keys.form) return only
    for (const key of renames.keys())
      if (!picks.some(({ text }) => text === key))
        this.#draft.note(at.place('tensorMap'), `${key} is renamed and not read by itself`, 'Name the tensor among the inputs too.')
    // A result that several references name as a whole is read once.
    const parts = new Set(
      sources.map(({ text, bee, ...source }) => {
        const from = { ...source, bee: bees.length === 1 ? null : bee }
        const name = renames.get(text) ?? null
        return keys.form === 'fields' ? fieldsObject(from, name) : tensorList(from, name)
      }),
    )
    if (keys.form !== 'fields' && sources.some(({ form }) => form === 'fields')) this.#noteFields(at)
    const expression = together([...parts], keys.form)
    return this.#draft.add(wanted, { type: 'map', input: bees.length === 1 ? { name: only } : { join: bees }, ...waits, spec: { expression } })
  }

  /** A merge bee for results of which not all may come. If the results have another form, a map bee stands behind it. */
  #merged(wanted: string, sources: readonly (Reference & Produced)[], at: YamlObject, form: TensorForm): string {
    const picked = sources.find(({ tensor }) => tensor !== null)
    if (picked !== undefined)
      this.#draft.note(
        at.place(),
        `the tensor of ${picked.text} is not picked where any input may come`,
        'Let the model take the whole result, or put a map bee behind each input.',
      )
    const merge = this.#draft.add(wanted, { type: 'merge', input: { stack: [...new Set(sources.map(({ bee }) => bee))] } })
    const [first] = sources
    if (first === undefined || sources.every((one) => one.form === form)) return merge
    if (sources.some((one) => one.form !== first.form)) {
      this.#draft.note(
        at.place(),
        'results of bees and of a model server have different forms, and any of them may come',
        'Put a map bee behind each input that makes the same form of it.',
      )
      return merge
    }
    const whole = { form: first.form, bee: null, tensor: null }
    if (form !== 'fields' && first.form === 'fields') this.#noteFields(at)
    const expression = together([form === 'fields' ? fieldsObject(whole, null) : tensorList(whole, null)], form)
    return this.#draft.add(`${wanted}-form`, { type: 'map', input: { name: merge }, spec: { expression } })
  }

  #noteFields(at: YamlObject): void {
    this.#draft.note(
      at.place(),
      'the result of a model bee has no types and shapes, and a model server wants both: each is FP32 with one dimension here',
      'Look at a result of the model bee (waggle topics tail), and correct the expression of the map bee.',
    )
  }

  #producedBy({ step, side, text }: Reference, at: YamlObject): Produced {
    const bees = this.#bees.get(step)
    if (bees === undefined)
      throw at.wrong(
        [],
        `${text} names no step of this pipeline`,
        `Use one of ${[...this.#bees.keys()].join(', ')}. A Pipeline that reads another is two gateways here.`,
      )
    return bees[side]
  }

  /** The bee for a model of the file. The model's `requirements` decide the type of the bee. */
  #modelOf(name: string): ModelSource {
    const server = 'http://localhost:9000'
    const model = this.#models.get(name)?.object('spec') ?? null
    if (model === null)
      return servedModel(name, server, {
        message: `the file has no Model named ${name}`,
        next: `The bee calls a model server at ${server}. Or give it the type tensor-rt, and spec.model.`,
      })
    const requirements = model.texts('requirements')
    const storage = model.text('storageUri') ?? ''
    model.noteOthers(this.#draft, ['storageUri', 'requirements'], modelAdvice)
    const type = requirements.includes('onnx') ? 'tensor-rt' : requirements.includes('tensorflow') ? 'tf-serving' : null
    if (type === null || storage === '')
      return servedModel(name, server, {
        message: `Waggle has no runtime for the model ${name} (${requirements.join(', ') || 'without requirements'})`,
        next: `The bee calls a model server at ${server}. Or write the model as ONNX with \`waggle models convert\`, and give it the type tensor-rt; or write a python bee.`,
      })
    const source = localModel(type, storage)
    if (/^(s3|https|npm|file):/.test(storage) || !/^[a-z]+:/.test(storage)) return source
    return {
      ...source,
      left: {
        message: `Waggle fetches nothing from ${storage}`,
        next: `Copy the model, and add to waggle.yaml: resolve: {"${storage}": ./models/${name}}.`,
      },
    }
  }
}

/** The parts of a value as one expression. */
function together(parts: readonly string[], form: TensorForm): string {
  const [part] = parts
  if (form !== 'fields') return `{${form}: ${parts.length === 1 ? part : `[${parts.join(', ')}][]`}}`
  return parts.length === 1 && part !== undefined ? part : `merge(${parts.join(', ')})`
}

function nameOf(step: YamlObject): string {
  const name = step.text('name')
  if (name === null) throw step.wrong([], 'name is missing', 'Give the step the name of its model.')
  return name
}

function referencesOf(step: YamlObject): readonly Reference[] {
  return step.texts('inputs').map(referenceOf)
}

function referenceOf(text: string): Reference {
  const [step = '', side, ...tensor] = text.split('.')
  return { step, side: side === 'inputs' ? 'inputs' : 'outputs', tensor: tensor.length === 0 ? null : tensor.join('.'), text }
}

const pipelineAdvice: { readonly [key: string]: string } = {
  input: 'Let a gateway-input stand for each pipeline that feeds this one, or read its topic with kafka-input.',
  dataflow: 'Set WAGGLE_RETENTION_SECONDS for the topics.',
  allowCycles: 'Put a loop bee where the way leads back.',
  maxStepRevisits: 'Set max_rounds of a loop bee.',
}
const stepAdvice: { readonly [key: string]: string } = {
  triggers: 'A trigger decides whether a request goes on: put a filter or route bee in front of the step.',
  triggersJoinType: 'See triggers.',
  triggersTensorMap: 'See triggers.',
}
const modelAdvice: { readonly [key: string]: string } = {
  replicas: 'Set replicas of the bee.',
  minReplicas: 'Set replicas of the bee.',
  maxReplicas: 'Set max_replicas of the bee.',
  memory: 'Nothing: a model runs in the memory of the process.',
  secretName: 'Set the credentials of the object store in the environment.',
  server: 'Nothing: the bee type decides what runs the model.',
  explainer: 'Add a bee of your own.',
  llm: 'Add a bee of your own.',
}
