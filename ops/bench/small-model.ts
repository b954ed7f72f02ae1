import protobuf from 'protobufjs'

/** The parts of onnx.proto that small models need. */
const schema = `
syntax = "proto3";
message Dimension { int64 dim_value = 1; string dim_param = 2; }
message Shape { repeated Dimension dim = 1; }
message TensorType { int32 elem_type = 1; Shape shape = 2; }
message Type { TensorType tensor_type = 1; }
message ValueInfo { string name = 1; Type type = 2; }
message Tensor { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
message Node { repeated string input = 1; repeated string output = 2; string op_type = 4; }
message Graph { repeated Node node = 1; string name = 2; repeated Tensor initializer = 5; repeated ValueInfo input = 11; repeated ValueInfo output = 12; }
message OperatorSet { string domain = 1; int64 version = 2; }
message Model { int64 ir_version = 1; Graph graph = 7; repeated OperatorSet opset_import = 8; }
`

/**
 * An ONNX model that computes softmax(input · weights), from `input` FP32 [N, features] to `probabilities` FP32 [N, labels]. Each label has weights
 * for a different part of the features, so that the output depends on the input.
 */
export function smallModel({ features, labels }: { readonly features: number; readonly labels: number }): Uint8Array {
  const weights = Float32Array.from({ length: features * labels }, (_, at) =>
    Math.floor(((at / labels) * labels) / features) === at % labels ? 1 : 0,
  )
  const value = (name: string, width: number) => ({
    name,
    type: { tensorType: { elemType: float32, shape: { dim: [{ dimParam: 'N' }, { dimValue: width }] } } },
  })
  return onnxModel({
    name: 'small',
    node: [
      { input: ['input', 'weights'], output: ['logits'], opType: 'MatMul' },
      { input: ['logits'], output: ['probabilities'], opType: 'Softmax' },
    ],
    initializer: [{ name: 'weights', dims: [features, labels], dataType: float32, rawData: Buffer.from(weights.buffer) }],
    input: [value('input', features)],
    output: [value('probabilities', labels)],
  })
}

/** The bytes of an ONNX model with this graph. */
export function onnxModel(graph: object): Uint8Array {
  const type = protobuf.parse(schema).root.lookupType('Model')
  return type.encode(type.fromObject({ irVersion: 8, opsetImport: [{ domain: '', version: 13 }], graph })).finish()
}

const float32 = 1
