import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'
import { WaggleError } from '../../topology/waggle-error.ts'

/** The parts of TensorFlow's graph_def.proto and saved_model.proto that a frozen graph of constants uses. */
const schema = `
syntax = "proto3";
message Dim { int64 size = 1; }
message Shape { repeated Dim dim = 2; bool unknown_rank = 3; }
message TensorProto {
  int32 dtype = 1; Shape tensor_shape = 2; bytes tensor_content = 4;
  repeated float float_val = 5 [packed = true]; repeated int32 int_val = 7 [packed = true];
  repeated int64 int64_val = 10 [packed = true]; repeated bool bool_val = 11 [packed = true];
}
message ListValue {
  repeated bytes s = 2; repeated int64 i = 3 [packed = true]; repeated float f = 4 [packed = true];
  repeated bool b = 5 [packed = true]; repeated int32 type = 6 [packed = true]; repeated Shape shape = 7;
}
message AttrValue { oneof value { ListValue list = 1; bytes s = 2; int64 i = 3; float f = 4; bool b = 5; int32 type = 6; Shape shape = 7; TensorProto tensor = 8; } }
message NodeDef { string name = 1; string op = 2; repeated string input = 3; map<string, AttrValue> attr = 5; }
message GraphDef { repeated NodeDef node = 1; }
message MetaGraphDef { GraphDef graph_def = 2; }
message SavedModel { int64 saved_model_schema_version = 1; repeated MetaGraphDef meta_graphs = 2; }
`

/** A graph in the form that tfjs loads: JSON, and all weights in one buffer. */
export interface GraphArtifacts {
  readonly format: 'graph-model'
  readonly modelTopology: object
  readonly weightSpecs: readonly { name: string; shape: number[]; dtype: 'float32' | 'int32' | 'bool' }[]
  readonly weightData: ArrayBuffer
}

export interface FrozenGraph {
  readonly artifacts: GraphArtifacts
  readonly inputs: readonly { readonly name: string; readonly datatype: 'FP32' | 'INT32' | 'BOOL'; readonly shape: readonly number[] }[]
  /** Names of the nodes that no other node reads. For an `Identity` that freezing has added, it is the name of its source. */
  readonly outputs: readonly string[]
}

/** Reads a frozen `GraphDef` (.pb), or a SavedModel whose variables are constants. Throws WAGGLE_MODEL_NOT_FOUND or WAGGLE_MODEL_INVALID. */
export function readFrozenGraph(path: string): FrozenGraph {
  const nodes = nodesOf(path)
  if (nodes.length === 0 || nodes.some(({ op }) => op === '')) throw invalid(path, 'it holds no graph')
  if (nodes.some(({ op }) => /^VarHandleOp$|^VariableV?2?$/.test(op))) {
    throw new WaggleError('WAGGLE_MODEL_INVALID', {
      message: `${path} has variables, whose values lie in files beside it`,
      next: 'Export the model as ONNX for tensor-rt, or freeze its variables into constants (docs/models.md).',
    })
  }
  const read = new Set(nodes.flatMap(({ input }) => input.map((name) => name.replace(/^\^/, '').replace(/:\d+$/, ''))))
  const weights: { spec: GraphArtifacts['weightSpecs'][number]; bytes: Uint8Array }[] = []
  const node = nodes.map(({ name, op, input, attr }) => {
    const converted = Object.entries(attr).map(([key, value]) => {
      if (value.tensor != null && op === 'Const' && key === 'value') weights.push(weightOf(path, name, value.tensor))
      return [key, attrOf(value)]
    })
    return { name, op, input, attr: Object.fromEntries(converted) }
  })
  return {
    artifacts: {
      format: 'graph-model',
      modelTopology: { node, versions: { producer: 1 } },
      weightSpecs: weights.map(({ spec }) => spec),
      weightData: joined(weights.map(({ bytes }) => bytes)),
    },
    inputs: nodes
      .filter(({ op }) => op === 'Placeholder')
      .map(({ name, attr }) => ({ name, datatype: datatypeOf(path, name, attr.dtype?.type ?? 1), shape: sizesOf(attr.shape?.shape) })),
    outputs: nodes.filter(({ name, op }) => !read.has(name) && op !== 'Const' && op !== 'NoOp').map(outputName),
  }
}

interface RawShape {
  dim?: { size?: number }[]
}
interface RawTensor {
  dtype: number
  tensorShape?: RawShape
  tensorContent: Uint8Array
  floatVal: number[]
  intVal: number[]
  int64Val: number[]
  boolVal: boolean[]
}
interface RawAttr {
  list?: { s: Uint8Array[]; i: number[]; f: number[]; b: boolean[]; type: number[] }
  s?: Uint8Array
  i?: number
  f?: number
  b?: boolean
  type?: number
  shape?: RawShape & { unknownRank?: boolean }
  tensor?: RawTensor
  value?: string
}
interface RawNode {
  readonly name: string
  readonly op: string
  readonly input: string[]
  readonly attr: { readonly [key: string]: RawAttr }
}

function nodesOf(path: string): readonly RawNode[] {
  const { root } = protobuf.parse(schema)
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (cause) {
    throw new WaggleError('WAGGLE_MODEL_NOT_FOUND', {
      message: `There is no model at ${path}`,
      next: 'Correct the path, or the resolve: map that gives it.',
      cause,
    })
  }
  // protobufjs gives 64-bit integers as numbers, or as objects if the package `long` is installed. Number() reads both.
  const decode = (type: string) => root.lookupType(type).decode(bytes) as unknown
  try {
    if (path.endsWith('saved_model.pb')) {
      return (decode('SavedModel') as { metaGraphs: { graphDef: { node: RawNode[] } }[] }).metaGraphs[0]?.graphDef.node ?? []
    }
    return (decode('GraphDef') as { node: RawNode[] }).node
  } catch (cause) {
    throw invalid(path, cause instanceof Error ? cause.message : String(cause), cause)
  }
}

/** The name that the author gave. Freezing adds an `Identity_2` after a named node. */
function outputName({ name, op, input }: RawNode): string {
  const source = input[0]?.replace(/:\d+$/, '')
  return op === 'Identity' && /^Identity(_\d+)?$/.test(name) && source !== undefined ? source : name
}

function datatypeOf(path: string, name: string, type: number): FrozenGraph['inputs'][number]['datatype'] {
  switch (type) {
    case 1:
      return 'FP32'
    // tfjs has only integers of 32 bits.
    case 3:
    case 9:
      return 'INT32'
    case 10:
      return 'BOOL'
    default:
      throw invalid(path, `its input ${name} has the data type number ${type}, where float32, int32, int64 and bool are supported`)
  }
}

function weightOf(path: string, name: string, tensor: RawTensor): { spec: GraphArtifacts['weightSpecs'][number]; bytes: Uint8Array } {
  const shape = sizesOf(tensor.tensorShape)
  const count = shape.reduce((product, size) => product * size, 1)
  const { tensorContent: content } = tensor
  const filled = (values: readonly unknown[]) => Array.from({ length: count }, (_, at) => Number(values[Math.min(at, values.length - 1)] ?? 0))
  const copy = content.slice()
  switch (tensor.dtype) {
    case 1: {
      const bytes = content.length > 0 ? copy : new Uint8Array(Float32Array.from(filled(tensor.floatVal)).buffer)
      return { spec: { name, shape, dtype: 'float32' }, bytes: exactly(path, name, bytes, count * 4) }
    }
    case 3: {
      const bytes = content.length > 0 ? copy : new Uint8Array(Int32Array.from(filled(tensor.intVal)).buffer)
      return { spec: { name, shape, dtype: 'int32' }, bytes: exactly(path, name, bytes, count * 4) }
    }
    case 9: {
      const values = content.length > 0 ? Array.from(new BigInt64Array(copy.buffer, 0, count), Number) : filled(tensor.int64Val)
      return { spec: { name, shape, dtype: 'int32' }, bytes: new Uint8Array(Int32Array.from(values).buffer) }
    }
    case 10:
      return { spec: { name, shape, dtype: 'bool' }, bytes: content.length > 0 ? copy : Uint8Array.from(filled(tensor.boolVal)) }
    default:
      throw invalid(path, `the constant ${name} has the data type number ${tensor.dtype}, which is not supported`)
  }
}

function attrOf(attr: RawAttr): object {
  switch (attr.value) {
    case 'tensor':
      return { tensor: { dtype: typeName(attr.tensor?.dtype), tensorShape: shapeOf(attr.tensor?.tensorShape) } }
    case 'type':
      return { type: typeName(attr.type) }
    case 'i':
      return { i: String(attr.i) }
    case 'f':
      return { f: attr.f }
    case 'b':
      return { b: attr.b }
    case 's':
      return { s: Buffer.from(attr.s ?? []).toString('base64') }
    case 'shape':
      return { shape: attr.shape?.unknownRank ? { unknownRank: true } : shapeOf(attr.shape) }
    case 'list': {
      const { i = [], s = [], f = [], type = [] } = attr.list ?? {}
      return {
        list: {
          ...(i.length > 0 ? { i: i.map(String) } : {}),
          ...(s.length > 0 ? { s: s.map((bytes) => Buffer.from(bytes).toString('base64')) } : {}),
          ...(f.length > 0 ? { f } : {}),
          ...(type.length > 0 ? { type: type.map(typeName) } : {}),
        },
      }
    }
    default:
      return {}
  }
}

function typeName(type: number | undefined): string {
  return { 1: 'DT_FLOAT', 3: 'DT_INT32', 7: 'DT_STRING', 9: 'DT_INT64', 10: 'DT_BOOL' }[type ?? 1] ?? 'DT_FLOAT'
}

function sizesOf(shape: RawShape | undefined): number[] {
  return (shape?.dim ?? []).map(({ size }) => Number(size ?? 0))
}

function shapeOf(shape: RawShape | undefined): object {
  return { dim: sizesOf(shape).map((size) => ({ size: String(size) })) }
}

function exactly(path: string, name: string, bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw invalid(path, `the constant ${name} has ${bytes.length} bytes, where its shape wants ${length}`)
  return bytes
}

function joined(parts: readonly Uint8Array[]): ArrayBuffer {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all.buffer
}

function invalid(path: string, why: string, cause?: unknown): WaggleError {
  return new WaggleError('WAGGLE_MODEL_INVALID', {
    message: `${path} is no frozen TensorFlow graph: ${why}`,
    next: 'See that the file is whole, and that its variables are frozen into constants.',
    cause,
  })
}
