import { type Constant, numbersOf } from '../constant.ts'
import type { FlatNode } from '../function-inliner.ts'
import { dataTypes, type RawAttr } from '../graph-schema.ts'
import { type Attributes, type OnnxBuilder, onnxType } from './onnx-builder.ts'
import { Untranslatable } from './untranslatable.ts'

/**
 * An output of a TensorFlow node, as values of the ONNX model. `plain` is the value in TensorFlow's layout. `channelsFirst` is the value in the layout of
 * ONNX's convolutions: the channels come before height and width. Each layout is made only when a node needs it, so a chain of convolutions has no
 * transpose in between.
 */
export interface Value {
  readonly dtype: number
  readonly constant: Constant | null
  plain: string | null
  channelsFirst: string | null
}

/** The translation of one node: its inputs, its attributes, and methods that write ONNX nodes. */
export class NodeTranslation {
  readonly node: FlatNode
  readonly inputs: readonly Value[]
  readonly #builder: OnnxBuilder

  constructor(node: FlatNode, inputs: readonly Value[], builder: OnnxBuilder) {
    this.node = node
    this.inputs = inputs
    this.#builder = builder
  }

  input(at: number): Value {
    const value = this.inputs[at]
    if (value === undefined) throw new Untranslatable(`${this.node.op} has no input ${at}`)
    return value
  }

  /** Adds an ONNX node with one output, and returns the output's name. */
  emit(op: string, inputs: readonly string[], attributes: Attributes | null = null): string {
    return this.#builder.node(op, inputs, attributes)[0] ?? ''
  }

  emitMany(op: string, inputs: readonly string[], outputs: number, attributes: Attributes | null = null): readonly string[] {
    return this.#builder.node(op, inputs, attributes, outputs)
  }

  /** The name of the value in TensorFlow's layout. */
  plain(value: Value): string {
    if (value.plain === null) {
      if (value.constant !== null) value.plain = this.#builder.constant(value.constant)
      else if (value.channelsFirst !== null) value.plain = this.emit('Transpose', [value.channelsFirst], { perm: [0, 2, 3, 1] })
      else throw new Untranslatable(`${this.node.op} reads an output that has no equal in ONNX`)
    }
    return value.plain
  }

  /** The name of a value of four dimensions in the layout with the channels before height and width. */
  channelsFirst(value: Value): string {
    value.channelsFirst ??= this.emit('Transpose', [this.plain(value)], { perm: [0, 3, 1, 2] })
    return value.channelsFirst
  }

  /** The name of the value as 64-bit integers, which ONNX needs for sizes and positions. */
  int64(value: Value): string {
    if (value.dtype === dataTypes.int64) return this.plain(value)
    return value.constant === null ? this.cast(this.plain(value), dataTypes.int64) : this.ints(numbersOf(value.constant), value.constant.shape)
  }

  cast(name: string, dtype: number): string {
    return this.emit('Cast', [name], { to: onnxType(dtype) })
  }

  /** The name of a constant of 64-bit integers. The constant is a list, unless `shape` is given. */
  ints(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.#builder.constant({ dtype: dataTypes.int64, shape, bytes: new Uint8Array(BigInt64Array.from(values, bigintOf).buffer) })
  }

  /** The name of a constant of floats. */
  floats(values: readonly number[], shape: readonly number[] = []): string {
    return this.#builder.constant({ dtype: dataTypes.float, shape, bytes: new Uint8Array(Float32Array.from(values).buffer) })
  }

  /** The name of a constant that is a single number of this type. */
  scalar(dtype: number, value: number): string {
    if (dtype === dataTypes.float) return this.floats([value])
    if (dtype === dataTypes.int64) return this.ints([value], [])
    return this.#builder.constant({
      dtype,
      shape: [],
      bytes: dtype === dataTypes.bool ? Uint8Array.of(value) : new Uint8Array(Int32Array.of(value).buffer),
    })
  }

  constant(constant: Constant): string {
    return this.#builder.constant(constant)
  }

  /** The numbers of an input that must be constant, such as axes. */
  numbers(at: number): readonly number[] {
    const { constant } = this.input(at)
    if (constant === null) throw new Untranslatable(`${this.node.op} whose input ${at} is computed`)
    return numbersOf(constant)
  }

  number(at: number): number {
    return this.numbers(at)[0] ?? 0
  }

  attribute(name: string): RawAttr | undefined {
    return this.node.attr.get(name)
  }

  flag(name: string): boolean {
    return this.attribute(name)?.b ?? false
  }

  integer(name: string): number {
    return Number(this.attribute(name)?.i ?? 0)
  }

  integers(name: string): readonly number[] {
    return (this.attribute(name)?.list?.i ?? []).map(Number)
  }

  float(name: string): number {
    return this.attribute(name)?.f ?? 0
  }

  text(name: string): string {
    return Buffer.from(this.attribute(name)?.s ?? []).toString()
  }

  type(name: string): number {
    return this.attribute(name)?.type ?? this.inputs[0]?.dtype ?? dataTypes.float
  }

  requireNhwc(): void {
    const format = this.text('data_format')
    if (format !== 'NHWC') throw new Untranslatable(`${this.node.op} of the layout ${format}`)
  }
}

/** Makes a value in TensorFlow's layout. */
export function plainValue(dtype: number, plain: string): Value {
  return { dtype, constant: null, plain, channelsFirst: null }
}

/** Makes a value of four dimensions with the channels before height and width. */
export function channelsFirstValue(dtype: number, channelsFirst: string): Value {
  return { dtype, constant: null, plain: null, channelsFirst }
}

/** Translates a node with a certain operator. Throws Untranslatable if ONNX has no equivalent for this use of the operator. */
export type Operator = (t: NodeTranslation) => Value | readonly Value[]

function bigintOf(value: number): bigint {
  return value >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(value)
}
