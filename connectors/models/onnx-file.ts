import protobuf from 'protobufjs'
import { labelsOfText } from '../../topology/swarm/check/label-text.ts'
import type { ModelLabels } from '../../topology/swarm/ports/models.ts'
import { classLabels, onnxClasses } from './onnx-classes.ts'
import { decodedModel, decodedName, decodedNode, encoded } from './onnx-graph.ts'

/** A model file in a form that onnxruntime-node can run. */
export interface OnnxFile {
  /** The bytes of the file with its `ZipMap` replaced; null if the file needs no change. */
  readonly rewritten: Uint8Array | null
  /** Names of the classes in the order of the scores; null if the file does not contain them. */
  readonly classes: readonly string[] | null
  /** Labels in the file's metadata; null if the metadata has no labels. */
  readonly labels: ModelLabels | null
  /** Names of outputs that cannot be given as tensors. */
  readonly strangeOutputs: readonly string[]
  /** Names of inputs and outputs whose shape is not in the file. */
  readonly shapeless: ReadonlySet<string>
}

/**
 * Reads the last nodes of an ONNX model. A classifier of scikit-learn gives probabilities through a `ZipMap`, as a sequence of maps, which
 * onnxruntime-node cannot read. But a `ZipMap` only names the columns of a matrix. So a `Cast` to FP32 replaces the `ZipMap`, the output is the
 * matrix, and the names become the classes.
 */
export function readOnnxFile(bytes: Uint8Array): OnnxFile {
  const { graph, opset_import: opsets, metadata_props: metadata } = decodedModel(bytes)
  if (graph == null) return { rewritten: null, classes: null, labels: null, strangeOutputs: [], shapeless: new Set() }
  const maps = graph.node.filter(({ op_type }) => op_type === 'ZipMap')
  const mapped = new Map(maps.map((map) => [map.output[0] ?? '', classLabels(map)?.length ?? 0]))
  const strangeOutputs = graph.output.filter(({ name, type }) => type?.tensor_type == null && !mapped.has(name)).map(({ name }) => name)
  const classes = onnxClasses(graph)
  const tensors = [...graph.input, ...graph.output].filter(({ type }) => type?.tensor_type != null && type.tensor_type.shape == null)
  const shapeless = new Set(tensors.map(({ name }) => name))
  const hasOpset = opsets.some(({ domain }) => domain === '' || domain === 'ai.onnx')
  return {
    rewritten: mapped.size === 0 ? null : withoutMaps(bytes, mapped, hasOpset),
    classes,
    labels: labelsOfMetadata(metadata),
    strangeOutputs,
    shapeless,
  }
}

/** The labels in a model's metadata. Exporters use several names for labels; the first name that has labels counts. */
function labelsOfMetadata(metadata: readonly { readonly key: string; readonly value: string }[]): ModelLabels | null {
  for (const name of ['labels', 'classes', 'names']) {
    const names = labelsOfText(metadata.find(({ key }) => key === name)?.value ?? '')
    if (names !== null) return { names, from: `its metadata (${name})` }
  }
  return null
}

function withoutMaps(model: Uint8Array, mapped: ReadonlyMap<string, number>, hasOpset: boolean): Uint8Array {
  const parts = [...fieldsOf(model)].map(({ number, raw, body }) =>
    number === graphField && body !== null ? field(graphField, graphWithoutMaps(body, mapped)) : raw,
  )
  if (!hasOpset) parts.push(field(opsetField, encoded('OperatorSet', { version: 13 })))
  return Buffer.concat(parts)
}

function graphWithoutMaps(graph: Uint8Array, mapped: ReadonlyMap<string, number>): Uint8Array {
  return Buffer.concat(
    [...fieldsOf(graph)].map(({ number, raw, body }) => {
      if (number === nodeField && body !== null) {
        const { input, output, name, op_type } = decodedNode(body)
        return op_type === 'ZipMap' ? field(nodeField, encoded('Node', { input, output, name, op_type: 'Cast', attribute: [toFloat32] })) : raw
      }
      if (number === outputField && body !== null) {
        const name = decodedName(body)
        const type = { tensor_type: { elem_type: float32, shape: { dim: [{}, { dim_value: mapped.get(name) ?? 0 }] } } }
        return mapped.has(name) ? field(outputField, encoded('ValueInfo', { name, type })) : raw
      }
      return raw
    }),
  )
}

/**
 * The fields of a protobuf message. `raw`: the bytes of the field as they are in the file. `body`: the content of a field that is bytes, a string or
 * a message.
 */
function* fieldsOf(message: Uint8Array): Generator<{ readonly number: number; readonly raw: Uint8Array; readonly body: Uint8Array | null }> {
  const reader = protobuf.Reader.create(message)
  while (reader.pos < reader.len) {
    const start = reader.pos
    const tag = reader.uint32()
    let body: Uint8Array | null = null
    if ((tag & 7) === lengthDelimited) body = reader.bytes()
    else reader.skipType(tag & 7)
    yield { number: tag >>> 3, raw: message.subarray(start, reader.pos), body }
  }
}

function field(number: number, body: Uint8Array): Uint8Array {
  return protobuf.Writer.create()
    .uint32((number << 3) | lengthDelimited)
    .bytes(body)
    .finish()
}

const [graphField, opsetField, nodeField, outputField] = [7, 8, 1, 12]
const lengthDelimited = 2
const float32 = 1
/** The probabilities of a model may be FP64, if it was exported with 64-bit numbers, so they are cast. */
const toFloat32 = encoded('Attribute', { name: 'to', i: float32, type: 2 })
