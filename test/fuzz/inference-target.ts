import assert from 'node:assert/strict'
import { type ModelInferRequest, readInferRequest, writeInferResponse } from '../../connectors/gateway/grpc/infer-messages.ts'
import { decoded, ProtoFile } from '../../connectors/gateway/grpc/proto-file.ts'
import { readInference, writeInference } from '../../connectors/gateway/http/inference-body.ts'
import { ProblemError } from '../../connectors/gateway/http/problem.ts'
import { type InferenceInputs, swarmInputOf } from '../../connectors/gateway/inference/inference-input.ts'
import { outputsOf } from '../../connectors/gateway/inference/inference-output.ts'
import { payloadOfBytes } from '../../topology/swarm/payload/payload-serde.ts'
import type { FuzzTarget } from './target.ts'

const proto = new ProtoFile('inference.proto')
const requestType = proto.type('inference.ModelInferRequest')
const responseType = proto.type('inference.ModelInferResponse')

const json = (value: object) => Buffer.from(JSON.stringify(value))
const binary = (value: object, data: Uint8Array) => {
  const head = json(value)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(head.byteLength)
  return Buffer.concat([Buffer.of(1), length, head, data])
}
const message = (value: object) => Buffer.concat([Buffer.of(2), requestType.encode(value).finish()])
const numbers = { name: 'x', datatype: 'FP32', shape: [2, 1], data: [1, 2.5] }
const texts = { name: 't', datatype: 'BYTES', shape: [2], parameters: { binary_data_size: 11 } }

/**
 * Inference requests of callers. The first byte of an input chooses the form: JSON, JSON followed by binary data (the length of the data is in the
 * next two bytes), or a gRPC message. A request is refused by a ProblemError, or becomes an input of a swarm that can be read back and answered. The
 * input is not much larger than the request.
 */
export const target: FuzzTarget = {
  name: 'inference',
  seeds: [
    Buffer.concat([Buffer.of(0), json({ id: 'a', inputs: [numbers], outputs: [{ name: 'x' }], parameters: { binary_data_output: true } })]),
    Buffer.concat([Buffer.of(0), json({ inputs: [{ name: 'input', datatype: 'BYTES', shape: [1], data: ['{"a":[1]}'] }] })]),
    binary({ inputs: [texts] }, Buffer.from([1, 0, 0, 0, 97, 2, 0, 0, 0, 98, 99])),
    binary({ inputs: [{ name: 'h', datatype: 'FP16', shape: [1], parameters: { binary_data_size: 2 } }, numbers] }, Buffer.from([0, 60])),
    message({ model_name: 'm', inputs: [{ name: 'x', datatype: 'INT64', shape: [1], contents: { int64_contents: [5] } }] }),
    message({ inputs: [{ name: 'x', datatype: 'FP64', shape: [1] }], outputs: [{ name: 'x' }], raw_input_contents: [Buffer.alloc(8)] }),
    message({
      inputs: [{ name: 'x', datatype: 'BYTES', shape: [1], parameters: { content_type: { string_param: 'image/png' } } }],
      raw_input_contents: [Buffer.from([1, 0, 0, 0, 9])],
    }),
  ],
  dictionary: [
    '-1',
    '4294967295',
    '9007199254740993',
    '0',
    'BF16',
    'UINT64',
    'binary_data_size',
    '__proto__',
    'content_type',
    'null',
    '[[',
    ']]',
  ].map((word) => Buffer.from(word)),
  attempt(input) {
    try {
      attempts[(input[0] ?? 0) % attempts.length]?.(input.subarray(1))
    } catch (thrown) {
      if (!(thrown instanceof ProblemError)) throw thrown
    }
  },
}

const attempts: readonly ((bytes: Uint8Array) => void)[] = [
  (bytes) => answerOverHttp(bytes, undefined, bytes.byteLength),
  (bytes) => answerOverHttp(bytes.subarray(2), String(((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)), bytes.byteLength),
  (bytes) => {
    const { isRaw, outputs, ...inputs } = readInferRequest(decoded<ModelInferRequest>(requestType, bytes))
    const answer = answerOf(inputs, bytes.byteLength)
    const given = { model: 'm', version: '1', id: 'i', outputs: outputsOf(answer, outputs) }
    responseType.decode(responseType.encode(writeInferResponse(given, isRaw)).finish())
  },
]

function answerOverHttp(body: Uint8Array, headerLength: string | undefined, size: number): void {
  const { outputs, ...inputs } = readInference(body, headerLength)
  const answer = outputsOf(answerOf(inputs, size), outputs)
  const { bytes, headerLength: length = bytes.byteLength } = writeInference(
    { model: 'm', version: '1', id: 'i', outputs: answer },
    ({ length: odd }) => odd % 2 === 1,
  )
  JSON.parse(bytes.toString('utf8', 0, length))
}

/** The answer for an input, which is read as a swarm reads it. */
function answerOf(inputs: InferenceInputs, size: number) {
  const { bytes, contentType } = swarmInputOf(inputs, { input: null, output: null })
  // A one-byte number becomes eight bytes, and a tensor's head is as large as its name and shape.
  assert.ok(bytes.byteLength <= 100 * size + 1000, `${bytes.byteLength} bytes of ${size}`)
  return payloadOfBytes(bytes, contentType)
}
