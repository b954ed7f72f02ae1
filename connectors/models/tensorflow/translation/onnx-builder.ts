import { encoded } from '../../onnx-graph.ts'
import type { Constant } from '../constant.ts'
import { dataTypes } from '../graph-schema.ts'
import { Untranslatable } from './untranslatable.ts'

/** The value of a node's attribute: an integer, a string, a list of integers, `{ float }` or `{ tensor }`. */
export type AttributeValue = number | string | readonly number[] | { readonly float: number } | { readonly tensor: Constant }

export interface Attributes {
  readonly [name: string]: AttributeValue
}

/** Writes an ONNX model node by node. The builder chooses the names of the outputs. */
export class OnnxBuilder {
  readonly #nodes: object[] = []
  readonly #initializers: object[] = []
  readonly #inputs: object[] = []
  readonly #outputs: object[] = []
  #names = 0

  /** Adds a node, and returns the names of its outputs. */
  node(op: string, inputs: readonly string[], attributes: Attributes | null = null, outputs = 1): readonly string[] {
    const output = Array.from({ length: outputs }, () => this.#name())
    const attribute = Object.entries(attributes ?? {}).map(([name, value]) => encoded('Attribute', { name, ...attributeOf(value) }))
    this.#nodes.push({ op_type: op, input: inputs, output, attribute })
    return output
  }

  constant({ dtype, shape, bytes }: Constant): string {
    const name = this.#name()
    this.#initializers.push({ name, dims: shape, data_type: onnxType(dtype), raw_data: bytes })
    return name
  }

  input(dtype: number, shape: readonly number[]): string {
    const name = this.#name()
    this.#inputs.push(valueInfo(name, dtype, shape))
    return name
  }

  output(source: string, dtype: number): string {
    const [name = ''] = this.node('Identity', [source])
    this.#outputs.push(valueInfo(name, dtype, null))
    return name
  }

  /** The bytes of the model file. */
  bytes(): Uint8Array {
    const graph = { name: 'tensorflow', node: this.#nodes, initializer: this.#initializers, input: this.#inputs, output: this.#outputs }
    return encoded('Model', { ir_version: 8, producer_name: 'waggle', graph, opset_import: [{ domain: '', version: opset }] })
  }

  #name(): string {
    return `t${this.#names++}`
  }
}

const opset = 18

/** ONNX's number of a data type. Throws Untranslatable for a type that is not translated, such as float16. */
export function onnxType(dtype: number): number {
  const type = onnxTypes.get(dtype)
  if (type === undefined) throw new Untranslatable(`the data type number ${dtype}`)
  return type
}

const onnxTypes: ReadonlyMap<number, number> = new Map([
  [dataTypes.float, 1],
  [dataTypes.uint8, 2],
  [dataTypes.int32, 6],
  [dataTypes.int64, 7],
  [dataTypes.bool, 9],
])

function valueInfo(name: string, dtype: number, shape: readonly number[] | null): object {
  const dims = shape === null ? {} : { shape: { dim: shape.map((size) => (size < 0 ? {} : { dim_value: size })) } }
  return { name, type: { tensor_type: { elem_type: onnxType(dtype), ...dims } } }
}

function attributeOf(value: AttributeValue): object {
  if (typeof value === 'number') return { i: value, type: 2 }
  if (typeof value === 'string') return { s: Buffer.from(value), type: 3 }
  if ('float' in value) return { f: value.float, type: 1 }
  if ('tensor' in value) {
    const { dtype, shape, bytes } = value.tensor
    return { t: { dims: shape, data_type: onnxType(dtype), raw_data: bytes }, type: 4 }
  }
  return { ints: value, type: 7 }
}
