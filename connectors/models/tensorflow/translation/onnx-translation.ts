import type { FlatNode } from '../function-inliner.ts'
import { dataTypes } from '../graph-schema.ts'
import { nodeOf, type ServedGraph } from '../served-graph.ts'
import { elementwiseOperators } from './elementwise-operators.ts'
import { matrixOperators } from './matrix-operators.ts'
import { NodeTranslation, type Operator, plainValue, type Value } from './node-translation.ts'
import { OnnxBuilder } from './onnx-builder.ts'
import { pictureOperators } from './picture-operators.ts'
import { reductionOperators } from './reduction-operators.ts'
import { shapeOperators } from './shape-operators.ts'
import { Untranslatable } from './untranslatable.ts'

/** An ONNX model, and the names that the graph's inputs and outputs have in it. */
export interface OnnxTranslation {
  readonly bytes: Uint8Array
  readonly inputs: ReadonlyMap<string, string>
  readonly outputs: ReadonlyMap<string, string>
}

/** Translates a graph in which ONNX has an equivalent for every operator. Throws Untranslatable for any other graph. */
export function translateToOnnx({ nodes, constants, inputs, outputs }: ServedGraph): OnnxTranslation {
  const missing = new Set(nodes.flatMap(({ op }) => (op === 'Const' || op === 'Placeholder' || operators.has(op) ? [] : [op])))
  if (missing.size > 0) throw new Untranslatable([...missing].join(', '))
  const builder = new OnnxBuilder()
  const values = new Map<string, Value>()
  const inputNames = new Map<string, string>()
  for (const { signature, node, dtype } of inputs) {
    const fedType = dtype === dataTypes.int64 ? dataTypes.int32 : dtype
    const name = builder.input(fedType, signature.shape)
    inputNames.set(signature.name, name)
    values.set(node, plainValue(dtype, fedType === dtype ? name : (builder.node('Cast', [name], { to: 7 })[0] ?? '')))
  }
  for (const node of nodes) {
    if (values.has(node.name)) continue
    const constant = constants.get(node.name)
    if (constant !== undefined) values.set(node.name, { dtype: constant.dtype, constant, plain: null, channelsFirst: null })
    else addOutputs(node, builder, values)
  }
  const outputNames = new Map<string, string>()
  for (const { name, reference } of outputs) {
    const value = valueAt(values, reference)
    const t = new NodeTranslation({ name, op: 'the output', input: [], attr: new Map() }, [value], builder)
    const isOther = value.dtype === dataTypes.int64 || value.dtype === dataTypes.uint8
    outputNames.set(name, builder.output(isOther ? t.cast(t.plain(value), dataTypes.int32) : t.plain(value), isOther ? dataTypes.int32 : value.dtype))
  }
  return { bytes: builder.bytes(), inputs: inputNames, outputs: outputNames }
}

function addOutputs(node: FlatNode, builder: OnnxBuilder, values: Map<string, Value>): void {
  const operator = operators.get(node.op)
  if (operator === undefined) throw new Untranslatable(node.op)
  const t = new NodeTranslation(
    node,
    node.input.map((reference) => valueAt(values, reference)),
    builder,
  )
  const made = operator(t)
  if (!('dtype' in made)) made.forEach((value, at) => values.set(at === 0 ? node.name : `${node.name}:${at}`, value))
  else values.set(node.name, made)
}

function valueAt(values: ReadonlyMap<string, Value>, reference: string): Value {
  const value = values.get(reference)
  if (value === undefined) throw new Untranslatable(`the output ${reference.slice(nodeOf(reference).length + 1)} of ${nodeOf(reference)}`)
  return value
}

const operators: ReadonlyMap<string, Operator> = new Map(
  Object.entries({ ...elementwiseOperators, ...matrixOperators, ...pictureOperators, ...reductionOperators, ...shapeOperators }),
)
