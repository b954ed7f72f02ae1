import protobuf from 'protobufjs'
import { boundValues } from '../../protobuf/message-size.ts'
import { maxAnswerValues } from './serving-client.ts'
import { ServingFailure, tooManyValues } from './serving-failure.ts'

/**
 * The parts of TensorFlow Serving's PredictionService that a prediction needs, from the published files tensorflow_serving/apis/{predict,model,
 * get_model_metadata}.proto and tensorflow/core/{framework/tensor,framework/tensor_shape,protobuf/meta_graph}.proto, with the same names and numbers.
 * Copyright 2016 to 2025 Google Inc. and The TensorFlow Authors, Apache License 2.0 (http://www.apache.org/licenses/LICENSE-2.0). Changed: other
 * fields are left out, and an enum is an int32.
 */
const schema = `
syntax = "proto3";
message Int64Value { int64 value = 1; }
message Any { string type_url = 1; bytes value = 2; }
message Dim { int64 size = 1; string name = 2; }
message TensorShapeProto { repeated Dim dim = 2; bool unknown_rank = 3; }
message TensorProto {
  int32 dtype = 1; TensorShapeProto tensor_shape = 2; bytes tensor_content = 4;
  repeated int32 half_val = 13 [packed = true]; repeated float float_val = 5 [packed = true]; repeated double double_val = 6 [packed = true];
  repeated int32 int_val = 7 [packed = true]; repeated bytes string_val = 8; repeated int64 int64_val = 10 [packed = true];
  repeated bool bool_val = 11 [packed = true]; repeated uint32 uint32_val = 16 [packed = true]; repeated uint64 uint64_val = 17 [packed = true];
}
message TensorInfo { string name = 1; int32 dtype = 2; TensorShapeProto tensor_shape = 3; }
message SignatureDef { map<string, TensorInfo> inputs = 1; map<string, TensorInfo> outputs = 2; string method_name = 3; }
message ModelSpec { string name = 1; oneof version_choice { Int64Value version = 2; string version_label = 4; } string signature_name = 3; }
message PredictRequest { ModelSpec model_spec = 1; map<string, TensorProto> inputs = 2; repeated string output_filter = 3; }
message PredictResponse { map<string, TensorProto> outputs = 1; ModelSpec model_spec = 2; }
message GetModelMetadataRequest { ModelSpec model_spec = 1; repeated string metadata_field = 2; }
message GetModelMetadataResponse { ModelSpec model_spec = 1; map<string, Any> metadata = 2; }
message SignatureDefMap { map<string, SignatureDef> signature_def = 1; }
`
const { root } = protobuf.parse(schema)

/** A 64-bit number as protobufjs returns it. `String(number)` gives all digits. */
type Integer64 = number | { toString(): string }

export interface RawTensorProto {
  readonly dtype?: number
  readonly tensorShape?: { readonly dim?: readonly { readonly size?: Integer64 }[]; readonly unknownRank?: boolean } | null
  readonly tensorContent?: Uint8Array
  readonly halfVal?: readonly number[]
  readonly floatVal?: readonly number[]
  readonly doubleVal?: readonly number[]
  readonly intVal?: readonly number[]
  readonly stringVal?: readonly Uint8Array[]
  readonly int64Val?: readonly Integer64[]
  readonly boolVal?: readonly boolean[]
  readonly uint32Val?: readonly number[]
  readonly uint64Val?: readonly Integer64[]
}

export interface RawModelSpec {
  readonly name?: string
  readonly version?: { readonly value?: Integer64 } | null
  readonly versionLabel?: string
  readonly signatureName?: string
}

export interface RawTensorInfo {
  readonly dtype?: number
  readonly tensorShape?: RawTensorProto['tensorShape']
}

interface Messages {
  PredictRequest: {
    readonly modelSpec: RawModelSpec
    readonly inputs: { readonly [name: string]: RawTensorProto }
    readonly outputFilter: readonly string[]
  }
  PredictResponse: { readonly outputs?: { readonly [name: string]: RawTensorProto }; readonly modelSpec?: RawModelSpec | null }
  GetModelMetadataRequest: { readonly modelSpec: RawModelSpec; readonly metadataField: readonly string[] }
  GetModelMetadataResponse: {
    readonly modelSpec?: RawModelSpec | null
    readonly metadata?: { readonly [name: string]: { readonly value?: Uint8Array } }
  }
  SignatureDefMap: {
    readonly signatureDef?: {
      readonly [name: string]: {
        readonly inputs?: { readonly [name: string]: RawTensorInfo }
        readonly outputs?: { readonly [name: string]: RawTensorInfo }
      }
    }
  }
}

export function encodeMessage<Name extends keyof Messages>(name: Name, message: Messages[Name]): Buffer {
  return Buffer.from(root.lookupType(name).encode(message).finish())
}

/** Decodes a message. Throws a ServingFailure for bytes that are not a message of this type, and for a message with too many values. */
export function decodeMessage<Name extends keyof Messages>(name: Name, bytes: Uint8Array): Messages[Name] {
  const type = root.lookupType(name)
  try {
    boundValues(type, bytes, { most: maxAnswerValues, error: () => tooManyValues(maxAnswerValues) })
    return type.decode(bytes) as unknown as Messages[Name]
  } catch (cause) {
    if (cause instanceof ServingFailure) throw cause
    throw new ServingFailure('unusable', `answers with bytes that are not a ${name}`, cause)
  }
}
