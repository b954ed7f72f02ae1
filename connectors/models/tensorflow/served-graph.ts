import type { TensorSignature } from '../../../topology/swarm/ports/models.ts'
import { withDefaults } from './attribute-defaults.ts'
import { type Constant, constantOf } from './constant.ts'
import type { FlatGraph, FlatNode } from './function-inliner.ts'
import { dataTypes } from './graph-schema.ts'
import { invalidModel, unsupportedModel } from './invalid-model.ts'
import { maxFilledBytes, maxModelBytes, maxParts, maxRank, maxRowValues } from './tensor-size.ts'

/**
 * A TensorFlow graph that can be served. It has no calls and no variables, and only the nodes that its outputs need. Each node comes after the nodes
 * whose outputs it reads.
 */
export interface ServedGraph {
  readonly path: string
  readonly nodes: readonly FlatNode[]
  readonly constants: ReadonlyMap<string, Constant>
  readonly inputs: readonly ServedInput[]
  readonly outputs: readonly ServedOutput[]
}

export type InputDatatype = 'FP32' | 'INT32' | 'UINT8' | 'BOOL'

export interface ServedInput {
  readonly signature: TensorSignature
  readonly datatype: InputDatatype
  /** The placeholder's name. */
  readonly node: string
  readonly dtype: number
}

export interface ServedOutput {
  readonly name: string
  /** The output of a node, written `node` or `node:output`. */
  readonly reference: string
}

export interface GraphEnds {
  readonly inputs: readonly NamedInput[]
  readonly outputs: readonly ServedOutput[]
  /** Makes a node work without variables. A variable becomes a constant, and a node that reads a variable becomes a node that reads a tensor. */
  readonly freeze: (node: FlatNode) => FlatNode
}

/** An input with its name from the file. The shape is null if the rank is unknown. */
interface NamedInput {
  readonly name: string
  readonly node: string
  readonly dtype: number
  readonly shape: readonly number[] | null
}

/**
 * Makes a graph that can be served. Throws WAGGLE_MODEL_SHAPE for parts that are not supported, such as a loop or an input of another type, and
 * WAGGLE_MODEL_INVALID for a graph with missing parts.
 */
export function servedGraph(path: string, graph: FlatGraph, { inputs, outputs, freeze }: GraphEnds): ServedGraph {
  if (inputs.length === 0) throw unsupportedModel(path, 'has no placeholder to feed', 'Export the graph with its input as a placeholder.')
  const fed = new Map(inputs.map(({ node, dtype }) => [node, placeholder(node, dtype)]))
  const nodes = neededNodes(path, new Map([...graph.nodes, ...fed]), outputs)
    .map(freeze)
    .map((node) => ({ ...node, attr: withDefaults(node.op, node.attr) }))
  const loop = nodes.find(({ op }) => /^(Stateless)?While$|^TensorList|^(Ref)?(Enter|NextIteration)$/.test(op))
  if (loop !== undefined) throw unsupportedModel(path, `has a loop (${loop.op}), which is not run here`, loopAdvice)
  const unfed = nodes.find(({ op, name }) => op === 'Placeholder' && !fed.has(name))
  if (unfed !== undefined) throw invalidModel(path, `its outputs need the placeholder ${unfed.name}, which is not an input`)
  for (const node of nodes) checkParts(path, node)
  const served = inputs.map((input) => servedInput(path, input))
  checkSizes(path, served)
  return { path, nodes, constants: constantsOf(path, nodes), inputs: served, outputs }
}

/**
 * Refuses a node that splits a tensor into more outputs than `maxParts`. A few bytes in the file can ask for any number of outputs, and each output
 * costs a name and a tensor on every backend.
 */
function checkParts(path: string, { name, op, attr }: FlatNode): void {
  const parts = Number(attr.get('num_split')?.i ?? attr.get('num')?.i ?? 0)
  if (parts >= 0 && parts <= maxParts) return
  throw unsupportedModel(
    path,
    `splits a tensor into ${parts} parts (${op} ${name}), and at most ${maxParts} are supported`,
    'Export the model without this split.',
  )
}

/** Refuses inputs with more dimensions, or more values in a row, than the bounds allow. A free dimension counts as one. */
function checkSizes(path: string, inputs: readonly ServedInput[]): void {
  const deep = inputs.find(({ signature }) => signature.shape.length > maxRank)
  if (deep !== undefined)
    throw unsupportedModel(
      path,
      `has the input ${deep.signature.name} with more than ${maxRank} dimensions`,
      'Export the model with fewer dimensions.',
    )
  const values = inputs.reduce((sum, { signature }) => sum + signature.shape.reduce((product, size) => product * Math.max(size, 1), 1), 0)
  if (values <= maxRowValues) return
  throw unsupportedModel(path, `takes ${values} values a row, and at most ${maxRowValues} are supported`, 'Export the model with smaller inputs.')
}

/** A placeholder that replaces a node. Any node of a graph may be an input, and the nodes before the input are then not needed. */
function placeholder(name: string, dtype: number): FlatNode {
  return { name, op: 'Placeholder', input: [], attr: new Map([['dtype', { value: 'type', type: dtype }]]) }
}

function servedInput(path: string, { name, node, dtype, shape }: NamedInput): ServedInput {
  if (dtype === dataTypes.string) {
    throw unsupportedModel(
      path,
      `takes strings (its input ${name}), which no model of TensorFlow takes here`,
      'Make tensors of the text in a bee before the model, and export the model from its first layer of numbers on.',
    )
  }
  const datatype = datatypes.get(dtype)
  if (datatype === undefined) {
    const found = `takes ${name} as the data type number ${dtype}, where float32, int32, int64, uint8 and bool are supported`
    throw unsupportedModel(path, found, 'Export the model with an input of one of these types.')
  }
  if (shape === null)
    throw unsupportedModel(path, `has the input ${name} without a shape`, 'Export the model with a shape of this input. Dimensions may be free.')
  return { signature: { name, datatype, shape, dimensions: shape.map(() => '') }, datatype, node, dtype }
}

/** The supported data types of inputs. Integers have at most 32 bits on every backend, because tfjs has no larger integers. */
const datatypes: ReadonlyMap<number, InputDatatype> = new Map([
  [dataTypes.float, 'FP32'],
  [dataTypes.int32, 'INT32'],
  [dataTypes.int64, 'INT32'],
  [dataTypes.bool, 'BOOL'],
  [dataTypes.uint8, 'UINT8'],
])

function neededNodes(path: string, nodes: ReadonlyMap<string, FlatNode>, outputs: readonly ServedOutput[]): readonly FlatNode[] {
  const ordered: FlatNode[] = []
  const state = new Map<string, 'open' | 'done'>()
  // The stack is an array instead of recursion, because a graph may be deeper than JavaScript's call stack.
  const stack = outputs.map(({ reference }) => nodeOf(reference)).reverse()
  while (stack.length > 0) {
    const name = stack[stack.length - 1] ?? ''
    const node = nodes.get(name)
    if (node === undefined) throw invalidModel(path, `it reads ${name}, which it does not have`)
    const waiting = state.get(name) === 'done' ? [] : node.input.map(nodeOf).filter((input) => state.get(input) !== 'done')
    if (waiting.length === 0) {
      if (state.get(name) !== 'done') ordered.push(node)
      state.set(name, 'done')
      stack.pop()
    } else if (waiting.some((input) => state.get(input) === 'open')) {
      throw unsupportedModel(path, `has a loop at ${name}`, loopAdvice)
    } else {
      state.set(name, 'open')
      stack.push(...waiting)
    }
  }
  return ordered
}

const loopAdvice = 'Export a recurrent layer with unroll=True and a fixed length, or export the model as ONNX for tensor-rt.'

function constantsOf(path: string, nodes: readonly FlatNode[]): ReadonlyMap<string, Constant> {
  const constants = new Map<string, Constant>()
  let [maxBytes, filledBytes] = [maxModelBytes, maxFilledBytes]
  for (const { name, op, attr } of nodes) {
    if (op !== 'Const') continue
    try {
      const tensor = attr.get('value')?.tensor
      if (tensor == null) throw new RangeError('it has no value')
      const constant = constantOf(tensor, { maxBytes, maxFilledBytes: filledBytes })
      maxBytes -= constant.bytes.length
      if (constant.isFilled) filledBytes -= constant.bytes.length
      constants.set(name, constant)
    } catch (cause) {
      throw invalidModel(path, `the constant ${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }
  return constants
}

/** The node that a reference names. */
export function nodeOf(reference: string): string {
  const at = reference.lastIndexOf(':')
  return at < 0 ? reference : reference.slice(0, at)
}
