import { attributeOf, type OnnxGraph, type OnnxNode } from './onnx-graph.ts'

/**
 * Names of a classifier's classes, in the order of its scores. The names are in a `ZipMap`, or else in the node that makes the label: a classifier of
 * ONNX-ML, or an `ArrayFeatureExtractor` that picks from a list. Null if the graph has no such node.
 */
export function onnxClasses(graph: OnnxGraph): readonly string[] | null {
  const map = graph.node.find(({ op_type }) => op_type === 'ZipMap')
  if (map !== undefined) return classLabels(map)
  const makers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)))
  for (const { name } of graph.output) {
    let maker = makers.get(name)
    for (let left = maxPassed; maker !== undefined && passing.has(maker.op_type) && left > 0; left--) maker = makers.get(maker.input[0] ?? '')
    // The first output of a classifier is its label. The scores come from the same node, so this node has the names of the classes.
    const found = maker === undefined ? null : (classLabels(maker) ?? pickedFrom(maker, graph))
    if (found !== null) return found
  }
  return null
}

/** The names in an attribute of the node itself. */
export function classLabels(node: OnnxNode): readonly string[] | null {
  const { strings = [], ints = [] } = attributeOf(node, 'classlabels_') ?? {}
  if (strings.length > 0) return strings.map(textOf)
  return ints.length > 0 ? ints.map(String) : null
}

function pickedFrom({ op_type, input }: OnnxNode, { initializer }: OnnxGraph): readonly string[] | null {
  const list = op_type === 'ArrayFeatureExtractor' ? initializer.find(({ name }) => name === input[0]) : undefined
  if (list === undefined) return null
  const { data_type, string_data, int64_data, raw_data } = list
  if (data_type === stringType) return string_data.map(textOf)
  const width = data_type === int64Type ? 8 : data_type === int32Type ? 4 : 0
  if (width === 0) return null
  if (int64_data.length > 0) return int64_data.map(String)
  const view = new DataView(raw_data.buffer, raw_data.byteOffset, raw_data.byteLength)
  return Array.from({ length: Math.floor(raw_data.byteLength / width) }, (_, at) =>
    String(width === 8 ? view.getBigInt64(at * 8, true) : view.getInt32(at * 4, true)),
  )
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
}

/** Operators that pass a label on unchanged. */
const passing: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten'])
const maxPassed = 16
const [int32Type, int64Type, stringType] = [6, 7, 8]
