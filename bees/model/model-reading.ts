import { enumerated } from '../../topology/swarm/check/enumerated.ts'
import type { ModelLabels, ModelOutput, ModelResult, ModelSignature, TensorSignature } from '../../topology/swarm/ports/models.ts'
import { shownAddress } from '../../topology/swarm/secrets/shown-address.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { distinctLabels } from './distinct-labels.ts'

/** The roles of a model's outputs in a prediction. Unused outputs keep their own names. */
export interface ModelReading {
  /** The outputs with the scores: one output with all scores, or one output for each score. Empty for a model without scores. */
  readonly scores: readonly string[]
  /** The names of the scores, in order, all different. */
  readonly labels: readonly string[]
  /** True if the spec or the model's file names the scores. */
  readonly hasNames: boolean
  /** The output with the label that the model itself chose. Null: the label is the label with the highest score. */
  readonly label: string | null
  /**
   * The classes that the model's file names, in the order of `labels`, if the label output contains one of these classes. Null if the label output
   * contains an index, or a name in `labels`.
   */
  readonly classes: readonly string[] | null
}

/** A model bee's output for one row. `label` and `scores` are missing if the model outputs neither scores nor a label. */
export interface ModelPrediction {
  readonly label?: string
  readonly scores?: { readonly [label: string]: number }
  readonly model: string
  /** The version of the model; missing for a model without numbered versions. */
  readonly version?: string
  /** The model's other outputs, by name. */
  readonly [output: string]: unknown
}

/** The fields that tell the source of a prediction. A model output with the same name as one of these fields is left out of the prediction. */
export interface PredictionSource {
  /** The bee's name. */
  readonly model: string
  /** The version of the model; missing for a model without versions. */
  readonly version?: string
}

/** The part of a model bee's spec that says how to read the model's outputs. */
export interface ReadingSpec {
  readonly model: string
  readonly labels?: readonly string[]
  readonly output?: string
}

/**
 * Finds the outputs of a model that contain the scores and the label. Scores are a classifier's `probabilities`, scikit-learn's columns, or else the
 * first output that is a list of numbers. A single number is a score with the name of its output. Throws WAGGLE_MODEL_SHAPE if the spec does not fit
 * the model.
 */
export function readingOf(spec: ReadingSpec, signature: ModelSignature): ModelReading {
  const reading = foundReading({ ...spec, model: shownAddress(spec.model) }, signature)
  return { ...reading, labels: distinctLabels(reading.labels) }
}

function foundReading(spec: ReadingSpec, { outputRows: outputs, classes, labels }: ModelSignature): ModelReading {
  const told = spec.labels === undefined ? labels : { names: spec.labels, from: 'spec.labels' }
  const named = spec.output === undefined ? undefined : outputs.find(({ name }) => name === spec.output)
  if (spec.output !== undefined && named === undefined) {
    throw misfit(`${spec.model} has no output ${spec.output}`, `Set output to one of: ${namesOf(outputs)}.`)
  }
  const labelOutput = outputs.find((output) => isLabel(output, told !== null && outputs.length === 1)) ?? null
  const label = labelOutput?.name ?? null
  if (named === undefined) {
    const columns = columnsOf(outputs, classes)
    if (columns !== null && classes !== null)
      return { scores: columns, labels: labelled(spec.model, told, classes.length, classes, 'its columns'), hasNames: true, label, classes }
  }
  const output = named !== undefined && named.name !== label ? named : named === undefined ? scoresAmong(outputs) : undefined
  if (output === undefined) return { scores: [], labels: told?.names ?? classes ?? [], hasNames: true, label, classes }
  const width = widthOf(output)
  // Names in the model's file are ignored for a nested output, because they name another part of the output, such as the channels of each pixel.
  const own = spec.labels !== undefined || depthOf(output) <= 1 ? told : null
  const known = own?.names ?? (classes !== null && (width === null || width === classes.length) ? classes : null)
  // A long or nested output without names is not scores, but another value, such as an embedding.
  if (known === null && (width === null || width > maxUnnamed || depthOf(output) > 1))
    return { scores: [], labels: [], hasNames: false, label, classes }
  if (known === null && width !== null && width > 1 && labelOutput?.datatype === 'BYTES') {
    throw misfit(
      `${spec.model} gives its label as a string, and does not tell which of the ${width} scores in ${output.name} is which`,
      'Set labels to the classifier’s classes_, in their order.',
    )
  }
  const usual = width === 1 ? [output.name] : Array.from({ length: width ?? 0 }, (_, at) => String(at))
  return {
    scores: [output.name],
    labels: labelled(spec.model, own, width, known ?? usual, output.name, outputs),
    hasNames: known !== null,
    label,
    classes,
  }
}

/**
 * The prediction of one row. Throws WAGGLE_MODEL_SHAPE if the number of scores differs from the number of their names, and WAGGLE_NOT_FINITE for NaN
 * and infinite values.
 */
export function predictionOf({ outputs }: ModelResult, reading: ModelReading, from: PredictionSource): ModelPrediction {
  for (const [name, { values }] of Object.entries(outputs)) {
    const strange = values.find((value) => typeof value === 'number' && !Number.isFinite(value))
    if (strange !== undefined) throw notFinite(from, name, strange)
  }
  const values = reading.scores.flatMap((name) => own(outputs, name)?.values ?? [])
  const isAsTold = reading.scores.length === 0 || values.length === reading.labels.length
  // The number of scores was unknown before the run. Scores without names are returned under the name of their output, like any other value.
  if (!isAsTold && !reading.hasNames) return predictionOf({ outputs }, { ...reading, scores: [] }, from)
  if (!isAsTold)
    throw misfit(`${from.model} gave ${values.length} scores, and ${reading.labels.length} have names`, 'Name as many labels as there are scores.')
  const hasLabel = reading.scores.length > 0 || reading.label !== null
  const others: (readonly [string, unknown])[] = []
  for (const [name, output] of Object.entries(outputs)) {
    const isUsed = name === reading.label || reading.scores.includes(name) || Object.hasOwn(from, name)
    if (!isUsed && !(hasLabel && (name === 'label' || name === 'scores'))) others.push([name, nested(output)])
  }
  return { ...(hasLabel ? labelAndScores(outputs, values, reading) : {}), ...from, ...Object.fromEntries(others) }
}

function notFinite({ model, version }: PredictionSource, output: string, value: unknown): WaggleError {
  return new WaggleError('WAGGLE_NOT_FINITE', {
    message: `${version === undefined ? model : `Version ${version} of ${model}`} gave ${value} in its output ${output}`,
    next: 'Train or export the model again: JSON has numbers alone.',
  })
}

/** The reading as a text, such as `label and scores of no, yes (probabilities)`. */
export function shownReading({ scores, labels, label }: ModelReading, { outputs }: ModelSignature): string {
  const used = new Set([...scores, ...(label === null ? [] : [label])])
  const others = outputs.filter(({ name }) => !used.has(name)).map(({ name }) => name)
  const names = enumerated(labels, labels.length)
  const from = scores.length === 1 && scores[0] !== labels[0] ? ` (${scores[0]})` : ''
  const main = scores.length > 0 ? [`label and scores of ${names}${from}`] : label !== null ? [`label and its score (${label})`] : []
  return [...main, ...others].join(', ')
}

/** The most values of an output without names that counts as scores. */
const maxUnnamed = 64

function labelAndScores(outputs: ModelResult['outputs'], values: ModelOutput['values'], { labels, label, classes }: ModelReading) {
  const chosen = label === null ? undefined : own(outputs, label)?.values[0]
  const numbers = values.map(Number)
  if (chosen === undefined) {
    const best = numbers.reduce((top, value, at) => (value > (numbers[top] ?? Number.NEGATIVE_INFINITY) ? at : top), 0)
    return { label: labels[best] ?? '', scores: Object.fromEntries(labels.map((name, at) => [name, numbers[at] ?? 0])) }
  }
  const said = String(chosen)
  const at = classes !== null ? classes.indexOf(said) : typeof chosen === 'number' ? chosen : -1
  const hasName = labels.length === (classes?.length ?? labels.length)
  const name = (hasName ? labels[at] : undefined) ?? said
  // A label without scores gets the score 1, so that an ensemble and a database can use it.
  return { label: name, scores: numbers.length === 0 ? { [name]: 1 } : Object.fromEntries(labels.map((one, index) => [one, numbers[index] ?? 0])) }
}

/** True for an output with one value for each row that names a class: a string, or an integer if the spec or the output's name says so. */
function isLabel(output: TensorSignature, isAskedFor: boolean): boolean {
  if (widthOf(output) !== 1) return false
  return output.datatype === 'BYTES' || (integers.has(output.datatype) && (isAskedFor || /label|class/i.test(output.name)))
}

/**
 * The outputs of scikit-learn's option zipmap: 'columns', which makes one output for each class. The output's name is the name of the class with the
 * prefix s (string) or i (integer).
 */
function columnsOf(outputs: readonly TensorSignature[], classes: readonly string[] | null): readonly string[] | null {
  if (classes === null || classes.length < 2) return null
  const columns = classes.map((name) =>
    outputs.find((output) => [`s${name}`, `i${name}`].includes(output.name) && isNumeric(output) && widthOf(output) === 1),
  )
  const names = columns.flatMap((column) => (column === undefined ? [] : [column.name]))
  return new Set(names).size === classes.length ? names : null
}

function scoresAmong(outputs: readonly TensorSignature[]): TensorSignature | undefined {
  const numeric = outputs.filter(isNumeric)
  const isNamed = ({ name }: TensorSignature) => name === 'probabilities' || name === 'output_probability'
  return numeric.find(isNamed) ?? numeric.find((output) => depthOf(output) === 1) ?? numeric[0]
}

/**
 * Checks that there are as many names as scores. If a dimension is free, the number of scores is known only after a run, and is checked after the
 * run.
 */
function labelled(
  model: string,
  told: ModelLabels | null,
  width: number | null,
  names: readonly string[],
  output: string,
  outputs: readonly TensorSignature[] = [],
): readonly string[] {
  if (told === null || width === null || told.names.length === width) return told?.names ?? names
  const other = outputs.length > 1 ? `, or set output to one of: ${namesOf(outputs)}` : ''
  throw misfit(`${model} gives ${width} scores in ${output}, and ${told.from} names ${told.names.length}`, `Name ${width} labels${other}.`)
}

/** The number of values in one row; null if a dimension is free. */
function widthOf({ shape }: TensorSignature): number | null {
  return shape.includes(-1) ? null : shape.reduce((product, size) => product * size, 1)
}

/** The number of a row's dimensions whose size is not 1. */
function depthOf({ shape }: TensorSignature): number {
  return shape.filter((size) => size !== 1).length
}

function isNumeric({ datatype }: TensorSignature): boolean {
  return datatype === 'FP32' || datatype === 'FP64' || datatype === 'FP16'
}

const integers: ReadonlySet<TensorSignature['datatype']> = new Set(['INT64', 'INT32', 'INT16', 'INT8', 'UINT64', 'UINT32', 'UINT16', 'UINT8'])

/** Nested lists of the output's shape; a single value is not in a list. */
function nested({ shape, values }: ModelOutput): unknown {
  if (values.length === 1) return values[0]
  let level: readonly unknown[] = values
  for (const size of shape.slice(1).toReversed())
    level = Array.from({ length: size === 0 ? 0 : level.length / size }, (_, at) => level.slice(at * size, (at + 1) * size))
  return level
}

function own(outputs: ModelResult['outputs'], name: string): ModelOutput | undefined {
  return Object.hasOwn(outputs, name) ? outputs[name] : undefined
}

function namesOf(outputs: readonly TensorSignature[]): string {
  return outputs.map(({ name }) => name).join(', ')
}

function misfit(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_SHAPE', { message, next })
}
