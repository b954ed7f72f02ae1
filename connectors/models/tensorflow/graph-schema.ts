import protobuf from 'protobufjs'

/** The parts of TensorFlow's graph, saved_model and tensor_bundle protos that are needed to serve a model. */
const schema = `
syntax = "proto3";
message Dim { int64 size = 1; }
message Shape { repeated Dim dim = 2; bool unknown_rank = 3; }
message TensorProto {
  int32 dtype = 1; Shape tensor_shape = 2; bytes tensor_content = 4;
  repeated float float_val = 5 [packed = true]; repeated int32 int_val = 7 [packed = true]; repeated bytes string_val = 8;
  repeated int64 int64_val = 10 [packed = true]; repeated bool bool_val = 11 [packed = true];
}
message ListValue {
  repeated bytes s = 2; repeated int64 i = 3 [packed = true]; repeated float f = 4 [packed = true];
  repeated bool b = 5 [packed = true]; repeated int32 type = 6 [packed = true]; repeated Shape shape = 7;
}
message NameAttrList { string name = 1; }
message AttrValue {
  oneof value {
    ListValue list = 1; bytes s = 2; int64 i = 3; float f = 4; bool b = 5; int32 type = 6; Shape shape = 7; TensorProto tensor = 8;
    string placeholder = 9; NameAttrList func = 10;
  }
}
message NodeDef { string name = 1; string op = 2; repeated string input = 3; map<string, AttrValue> attr = 5; }
message ArgDef { string name = 1; }
message OpDef { string name = 1; repeated ArgDef input_arg = 2; repeated ArgDef output_arg = 3; }
message FunctionDef { OpDef signature = 1; repeated NodeDef node_def = 3; map<string, string> ret = 4; }
message FunctionDefLibrary { repeated FunctionDef function = 1; }
message GraphDef { repeated NodeDef node = 1; FunctionDefLibrary library = 2; }
message MetaInfoDef { repeated string tags = 4; }
message TensorInfo { string name = 1; int32 dtype = 2; Shape tensor_shape = 3; }
message SignatureDef { map<string, TensorInfo> inputs = 1; map<string, TensorInfo> outputs = 2; }
message MetaGraphDef { MetaInfoDef meta_info_def = 1; GraphDef graph_def = 2; map<string, SignatureDef> signature_def = 5; }
message SavedModel { int64 saved_model_schema_version = 1; repeated MetaGraphDef meta_graphs = 2; }
message BundleHeader { int32 num_shards = 1; int32 endianness = 2; }
message BundleEntry { int32 dtype = 1; Shape shape = 2; int32 shard_id = 3; int64 offset = 4; int64 size = 5; fixed32 crc32c = 6; repeated bytes slices = 7; }
`
const { root } = protobuf.parse(schema)

export interface RawShape {
  readonly dim?: readonly { readonly size?: unknown }[]
  readonly unknownRank?: boolean
}

export interface RawTensor {
  readonly dtype: number
  readonly tensorShape?: RawShape | null
  readonly tensorContent: Uint8Array
  readonly floatVal: readonly number[]
  readonly intVal: readonly number[]
  readonly stringVal: readonly Uint8Array[]
  readonly int64Val: readonly unknown[]
  readonly boolVal: readonly boolean[]
}

/** Exactly one field is set, and `value` names that field. A 64-bit number is a number, or an object that `Number` converts. */
export interface RawAttr {
  readonly value?: 'list' | 's' | 'i' | 'f' | 'b' | 'type' | 'shape' | 'tensor' | 'placeholder' | 'func'
  readonly list?: {
    readonly s?: readonly Uint8Array[]
    readonly i?: readonly unknown[]
    readonly f?: readonly number[]
    readonly b?: readonly boolean[]
    readonly type?: readonly number[]
    readonly shape?: readonly RawShape[]
  }
  readonly s?: Uint8Array
  readonly i?: unknown
  readonly f?: number
  readonly b?: boolean
  readonly type?: number
  readonly shape?: RawShape
  readonly tensor?: RawTensor
  readonly placeholder?: string
  readonly func?: { readonly name: string }
}

export interface RawNode {
  readonly name: string
  readonly op: string
  readonly input: readonly string[]
  readonly attr: { readonly [key: string]: RawAttr }
}

export interface RawFunction {
  readonly signature?: {
    readonly name: string
    readonly inputArg: readonly { readonly name: string }[]
    readonly outputArg: readonly { readonly name: string }[]
  } | null
  readonly nodeDef: readonly RawNode[]
  readonly ret: { readonly [output: string]: string }
}

export interface RawGraph {
  readonly node: readonly RawNode[]
  readonly library?: { readonly function: readonly RawFunction[] } | null
}

export interface RawTensorInfo {
  readonly name: string
  readonly dtype: number
  readonly tensorShape?: RawShape | null
}

export interface RawMetaGraph {
  readonly metaInfoDef?: { readonly tags: readonly string[] } | null
  readonly graphDef?: RawGraph | null
  readonly signatureDef: { readonly [name: string]: RawSignature }
}

export interface RawSignature {
  readonly inputs: { readonly [name: string]: RawTensorInfo }
  readonly outputs: { readonly [name: string]: RawTensorInfo }
}

interface Messages {
  readonly GraphDef: RawGraph
  readonly SavedModel: { readonly metaGraphs: readonly RawMetaGraph[] }
  readonly BundleHeader: { readonly numShards: number; readonly endianness: number }
  readonly BundleEntry: {
    readonly dtype: number
    readonly shape?: RawShape | null
    readonly shardId: number
    readonly offset: unknown
    readonly size: unknown
    readonly crc32c: number
    readonly slices: readonly Uint8Array[]
  }
}

/** Decodes a message. Throws for bytes that are not protobuf, and for messages that are nested too deeply. Fields of bytes are views into `bytes`. */
export function decoded<Name extends keyof Messages>(name: Name, bytes: Uint8Array): Messages[Name] {
  return root.lookupType(name).decode(bytes) as unknown as Messages[Name]
}

/** TensorFlow's numbers of data types (types.proto). */
export const dataTypes = { float: 1, int32: 3, uint8: 4, string: 7, int64: 9, bool: 10, resource: 20 } as const

/** The sizes of a shape; -1 is a free dimension. Null for an unknown rank. */
export function sizesOf(shape: RawShape | null | undefined): readonly number[] | null {
  if (shape?.unknownRank) return null
  return (shape?.dim ?? []).map(({ size }) => Number(size ?? 0))
}
