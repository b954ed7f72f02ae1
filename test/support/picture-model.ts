import protobuf from 'protobufjs'

/** The parts of onnx.proto that a model without weights needs. */
const schema = `
syntax = "proto3";
message Dimension { int64 dim_value = 1; string dim_param = 2; }
message Shape { repeated Dimension dim = 1; }
message TensorType { int32 elem_type = 1; Shape shape = 2; }
message Type { TensorType tensor_type = 1; }
message ValueInfo { string name = 1; Type type = 2; }
message Node { repeated string input = 1; repeated string output = 2; string op_type = 4; }
message Graph { repeated Node node = 1; string name = 2; repeated ValueInfo input = 11; repeated ValueInfo output = 12; }
message OperatorSet { string domain = 1; int64 version = 2; }
message Model { int64 ir_version = 1; Graph graph = 7; repeated OperatorSet opset_import = 8; }
`

/** An ONNX model that gives its picture back: `image` [N, …shape] in, `pixels` out. */
export function pictureModel(shape: readonly number[], datatype: 'FP32' | 'UINT8' = 'FP32'): Uint8Array {
  const type = protobuf.parse(schema).root.lookupType('Model')
  const dim = [{ dimParam: 'N' }, ...shape.map((size, at) => (size === -1 ? { dimParam: `side${at}` } : { dimValue: size }))]
  const value = (name: string) => ({ name, type: { tensorType: { elemType: datatype === 'FP32' ? 1 : 2, shape: { dim } } } })
  const graph = {
    name: 'picture',
    node: [{ input: ['image'], output: ['pixels'], opType: 'Identity' }],
    input: [value('image')],
    output: [value('pixels')],
  }
  return type.encode(type.fromObject({ irVersion: 8, opsetImport: [{ domain: '', version: 13 }], graph })).finish()
}
