import { type Constant, numbersOf } from './constant.ts'
import { dataTypes, type RawAttr, type RawShape, sizesOf } from './graph-schema.ts'
import type { ServedGraph } from './served-graph.ts'

/** The form of a graph that tfjs loads: the graph as JSON, and the weights in one buffer. */
export interface TfjsArtifacts {
  readonly format: 'graph-model'
  readonly modelTopology: object
  readonly weightSpecs: readonly WeightSpec[]
  readonly weightData: ArrayBuffer
}

interface WeightSpec {
  readonly name: string
  readonly shape: number[]
  readonly dtype: 'float32' | 'int32' | 'bool'
}

export function tfjsArtifacts({ nodes, constants }: ServedGraph): TfjsArtifacts {
  const weights = [...constants].map(([name, constant]) => weightOf(name, constant))
  const node = nodes.map(({ name, op, input, attr }) => ({
    name,
    op,
    input,
    attr: Object.fromEntries([...attr].map(([key, value]) => [key, attrOf(value)])),
  }))
  return {
    format: 'graph-model',
    modelTopology: { node, versions: { producer: 1 } },
    weightSpecs: weights.map(({ spec }) => spec),
    weightData: joined(weights.map(({ bytes }) => bytes)),
  }
}

function weightOf(name: string, constant: Constant): { readonly spec: WeightSpec; readonly bytes: Uint8Array } {
  const { dtype, bytes } = constant
  const shape = [...constant.shape]
  if (dtype === dataTypes.float) return { spec: { name, shape, dtype: 'float32' }, bytes }
  if (dtype === dataTypes.bool) return { spec: { name, shape, dtype: 'bool' }, bytes }
  // tfjs has only 32-bit integers, so larger types are converted.
  const whole = dtype === dataTypes.int32 ? bytes : new Uint8Array(Int32Array.from(numbersOf(constant), saturated).buffer)
  return { spec: { name, shape, dtype: 'int32' }, bytes: whole }
}

/** The nearest 32-bit integer. A slice up to the end has the largest 64-bit integer as its end, which tfjs cannot represent. */
function saturated(value: number): number {
  return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, value))
}

function attrOf(attr: RawAttr): object {
  switch (attr.value) {
    case 'tensor':
      return { tensor: { dtype: typeName(attr.tensor?.dtype), tensorShape: shapeOf(attr.tensor?.tensorShape ?? undefined) } }
    case 'type':
      return { type: typeName(attr.type) }
    case 'i':
      return { i: String(attr.i) }
    case 'f':
      return { f: attr.f }
    case 'b':
      return { b: attr.b }
    case 's':
      return { s: base64(attr.s) }
    case 'shape':
      return { shape: attr.shape?.unknownRank ? { unknownRank: true } : shapeOf(attr.shape) }
    case 'list': {
      const { i = [], s = [], f = [], type = [] } = attr.list ?? {}
      return {
        list: {
          ...(i.length > 0 ? { i: i.map(String) } : {}),
          ...(s.length > 0 ? { s: s.map(base64) } : {}),
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
  return typeNames.get(type ?? dataTypes.float) ?? 'DT_FLOAT'
}

const typeNames: ReadonlyMap<number, string> = new Map([
  [dataTypes.float, 'DT_FLOAT'],
  [dataTypes.int32, 'DT_INT32'],
  [dataTypes.uint8, 'DT_UINT8'],
  [dataTypes.string, 'DT_STRING'],
  [dataTypes.int64, 'DT_INT64'],
  [dataTypes.bool, 'DT_BOOL'],
])

function shapeOf(shape: RawShape | undefined): object {
  return { dim: (sizesOf(shape) ?? []).map((size) => ({ size: String(size) })) }
}

function base64(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('base64')
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
