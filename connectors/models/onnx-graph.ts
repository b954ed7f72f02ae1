import protobuf from 'protobufjs'

/**
 * The parts of onnx.proto that are needed to read the last nodes of a model, and to write a small model. A large initializer is not copied: its bytes
 * stay where they are.
 */
const schema = `
syntax = "proto3";
message Tensor { repeated int64 dims = 1; int32 data_type = 2; repeated bytes string_data = 6; repeated int64 int64_data = 7 [packed = true]; string name = 8; bytes raw_data = 9; }
message AttributeName { string name = 1; }
message Attribute { string name = 1; float f = 2; int64 i = 3; bytes s = 4; Tensor t = 5; repeated int64 ints = 8 [packed = true]; repeated bytes strings = 9; int32 type = 20; }
message Node { repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4; repeated bytes attribute = 5; string domain = 7; }
message Dimension { int64 dim_value = 1; string dim_param = 2; }
message Shape { repeated Dimension dim = 1; }
message TensorType { int32 elem_type = 1; Shape shape = 2; }
message Type { TensorType tensor_type = 1; }
message ValueInfo { string name = 1; Type type = 2; }
message Graph { repeated Node node = 1; string name = 2; repeated Tensor initializer = 5; repeated ValueInfo input = 11; repeated ValueInfo output = 12; }
message OperatorSet { string domain = 1; int64 version = 2; }
message Metadata { string key = 1; string value = 2; }
message Model { int64 ir_version = 1; string producer_name = 2; Graph graph = 7; repeated OperatorSet opset_import = 8; repeated Metadata metadata_props = 14; }
`
const { root } = protobuf.parse(schema, { keepCase: true })

export interface OnnxNode {
  readonly input: readonly string[]
  readonly output: readonly string[]
  readonly name: string
  readonly op_type: string
  /** Attributes that are still encoded. The attributes of a forest have millions of numbers, and only names of classes are decoded. */
  readonly attribute: readonly Uint8Array[]
}

/** An input or output. A sequence or a map has no `tensor_type`. The shape may be missing in the file. */
interface OnnxValue {
  readonly name: string
  readonly type?: { readonly tensor_type?: { readonly shape?: object | null } | null } | null
}

interface OnnxAttribute {
  readonly ints: readonly unknown[]
  readonly strings: readonly Uint8Array[]
}

export interface OnnxGraph {
  readonly node: readonly OnnxNode[]
  readonly initializer: readonly {
    readonly name: string
    readonly data_type: number
    readonly string_data: readonly Uint8Array[]
    readonly int64_data: readonly unknown[]
    readonly raw_data: Uint8Array
  }[]
  readonly input: readonly OnnxValue[]
  readonly output: readonly OnnxValue[]
}

/** The graph and operator sets of a model file. Throws for bytes that are not protobuf. */
export function decodedModel(bytes: Uint8Array): {
  readonly graph?: OnnxGraph | null
  readonly opset_import: readonly { readonly domain: string }[]
  readonly metadata_props: readonly { readonly key: string; readonly value: string }[]
} {
  return root.lookupType('Model').decode(bytes) as unknown as ReturnType<typeof decodedModel>
}

export function decodedNode(bytes: Uint8Array): OnnxNode {
  return root.lookupType('Node').decode(bytes) as unknown as OnnxNode
}

export function decodedName(bytes: Uint8Array): string {
  return (root.lookupType('ValueInfo').decode(bytes) as unknown as { readonly name: string }).name
}

/** The first attribute of a node whose name begins with `prefix`. */
export function attributeOf({ attribute }: OnnxNode, prefix: string): OnnxAttribute | null {
  const name = root.lookupType('AttributeName')
  const found = attribute.find((bytes) => (name.decode(bytes) as unknown as { readonly name: string }).name.startsWith(prefix))
  return found === undefined ? null : (root.lookupType('Attribute').decode(found) as unknown as OnnxAttribute)
}

/** Encodes one of the messages above. */
export function encoded(type: 'Attribute' | 'Model' | 'Node' | 'OperatorSet' | 'ValueInfo', value: object): Uint8Array {
  const message = root.lookupType(type)
  return message.encode(message.fromObject(value)).finish()
}
