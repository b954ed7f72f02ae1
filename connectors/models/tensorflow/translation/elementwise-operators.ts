import { type Constant, numbersOf } from '../constant.ts'
import { dataTypes } from '../graph-schema.ts'
import { channelsFirstValue, type NodeTranslation, type Operator, plainValue, type Value } from './node-translation.ts'
import type { Attributes } from './onnx-builder.ts'

type Names = readonly string[]

/**
 * Converts values of one shape to the same layout. The layout has the channels first if one value exists only in that layout and all values can be
 * converted. Otherwise it is TensorFlow's layout.
 */
export function inOneLayout(t: NodeTranslation, values: readonly Value[], write: (names: Names) => string, dtype: number): Value {
  const isChannelsFirst =
    values.some(({ plain, channelsFirst }) => plain === null && channelsFirst !== null) && values.every((value) => canBeChannelsFirst(value))
  return isChannelsFirst
    ? channelsFirstValue(dtype, write(values.map((value) => channelsFirstName(t, value))))
    : plainValue(dtype, write(values.map((value) => t.plain(value))))
}

function canBeChannelsFirst({ channelsFirst, constant }: Value): boolean {
  return channelsFirst !== null || (constant !== null && constant.shape.length <= 4)
}

/**
 * The name of a value in the layout with channels first. A constant with fewer dimensions is broadcast along the last dimensions. These are the
 * channels, so the shape of the constant must change for the other layout.
 */
function channelsFirstName(t: NodeTranslation, value: Value): string {
  const { constant, channelsFirst } = value
  if (channelsFirst !== null || constant === null || constant.shape.length === 4) return t.channelsFirst(value)
  if (constant.shape.every((size) => size === 1) || constant.shape.length === 0) return t.constant({ ...constant, shape: [] })
  const shape = [...Array.from({ length: 4 - constant.shape.length }, () => 1), ...constant.shape]
  return t.emit('Transpose', [t.constant({ ...constant, shape })], { perm: [0, 3, 1, 2] })
}

/** The translation of an elementwise operator that ONNX has too. */
function same(op: string, attributes: (t: NodeTranslation) => Attributes | null = () => null): Operator {
  return (t) => inOneLayout(t, t.inputs, (names) => t.emit(op, names, attributes(t)), t.input(0).dtype)
}

function compared(op: string): Operator {
  return (t) => inOneLayout(t, t.inputs, (names) => t.emit(op, names), dataTypes.bool)
}

/** The translation of an elementwise operator that becomes several ONNX nodes. */
function written(write: (t: NodeTranslation, names: Names) => string): Operator {
  return (t) => inOneLayout(t, t.inputs, (names) => write(t, names), t.input(0).dtype)
}

function constantLike(value: number): Operator {
  return (t) => {
    const { dtype } = t.input(0)
    const bytes = dtype === dataTypes.float ? new Uint8Array(Float32Array.of(value).buffer) : integerBytes(dtype, value)
    const tensor: Constant = { dtype, shape: [1], bytes }
    return plainValue(dtype, t.emit('ConstantOfShape', [t.emit('Shape', [t.plain(t.input(0))])], { value: { tensor } }))
  }
}

function integerBytes(dtype: number, value: number): Uint8Array {
  if (dtype === dataTypes.bool) return Uint8Array.of(value)
  return new Uint8Array((dtype === dataTypes.int64 ? BigInt64Array.of(BigInt(value)) : Int32Array.of(value)).buffer)
}

/** Passes its input on. A constant input stays constant. */
const identity: Operator = (t) => t.input(0)

const divided: Operator = (t) => inOneLayout(t, t.inputs, (names) => t.emit('Div', names), t.input(0).dtype)

/** The remainder x - floor(x / y) * y, which has the divisor's sign. ONNX has an operator for integers only. */
function remainder(t: NodeTranslation, [x = '', y = '']: Names): string {
  if (t.input(0).dtype !== dataTypes.float) return t.emit('Mod', [x, y], { fmod: 0 })
  return t.emit('Sub', [x, t.emit('Mul', [t.emit('Floor', [t.emit('Div', [x, y])]), y])])
}

function floorDivided(t: NodeTranslation, names: Names): string {
  if (t.input(0).dtype === dataTypes.float) return t.emit('Floor', [t.emit('Div', names)])
  return t.emit('Div', [t.emit('Sub', [names[0] ?? '', remainder(t, names)]), names[1] ?? ''])
}

const cast: Operator = (t) => {
  const dtype = t.type('DstT')
  const { constant, channelsFirst, plain } = t.input(0)
  if (constant !== null && isWhole(dtype) && isWhole(constant.dtype)) {
    const values = numbersOf(constant)
    const bytes = dtype === dataTypes.int64 ? BigInt64Array.from(values, BigInt) : Int32Array.from(values)
    return { dtype, constant: { dtype, shape: constant.shape, bytes: new Uint8Array(bytes.buffer) }, plain: null, channelsFirst: null }
  }
  return plain === null && channelsFirst !== null
    ? channelsFirstValue(dtype, t.cast(channelsFirst, dtype))
    : plainValue(dtype, t.cast(t.plain(t.input(0)), dtype))
}

function isWhole(dtype: number): boolean {
  return dtype === dataTypes.int32 || dtype === dataTypes.int64
}

const where: Operator = (t) => inOneLayout(t, t.inputs, (names) => t.emit('Where', names), t.input(1).dtype)

/** Elementwise operators, in any layout. */
export const elementwiseOperators: { readonly [op: string]: Operator } = {
  Abs: same('Abs'),
  Acos: same('Acos'),
  Add: same('Add'),
  AddN: same('Sum'),
  AddV2: same('Add'),
  Asin: same('Asin'),
  Atan: same('Atan'),
  BiasAdd: (t) => {
    t.requireNhwc()
    return same('Add')(t)
  },
  Cast: cast,
  Ceil: same('Ceil'),
  CheckNumerics: identity,
  ClipByValue: written((t, [x = '', low = '', high = '']) => t.emit('Min', [t.emit('Max', [x, low]), high])),
  Cos: same('Cos'),
  Cosh: same('Cosh'),
  Div: divided,
  DivNoNan: written((t, [x = '', y = '']) => {
    const zero = t.floats([0])
    return t.emit('Where', [t.emit('Equal', [y, zero]), zero, t.emit('Div', [x, y])])
  }),
  Elu: same('Elu'),
  EnsureShape: identity,
  Equal: compared('Equal'),
  Erf: same('Erf'),
  Erfc: written((t, names) => t.emit('Sub', [t.floats([1]), t.emit('Erf', names)])),
  Exp: same('Exp'),
  Expm1: written((t, names) => t.emit('Sub', [t.emit('Exp', names), t.floats([1])])),
  Floor: same('Floor'),
  FloorDiv: written(floorDivided),
  FloorMod: written(remainder),
  Greater: compared('Greater'),
  GreaterEqual: compared('GreaterOrEqual'),
  Identity: identity,
  IdentityN: (t) => t.inputs,
  Inv: same('Reciprocal'),
  IsNan: compared('IsNaN'),
  LeakyRelu: same('LeakyRelu', (t) => ({ alpha: { float: t.float('alpha') } })),
  Less: compared('Less'),
  LessEqual: compared('LessOrEqual'),
  Log: same('Log'),
  Log1p: written((t, names) => t.emit('Log', [t.emit('Add', [names[0] ?? '', t.floats([1])])])),
  LogicalAnd: compared('And'),
  LogicalNot: compared('Not'),
  LogicalOr: compared('Or'),
  Maximum: same('Max'),
  Minimum: same('Min'),
  Mul: same('Mul'),
  Neg: same('Neg'),
  NotEqual: (t) => inOneLayout(t, t.inputs, (names) => t.emit('Not', [t.emit('Equal', names)]), dataTypes.bool),
  OnesLike: constantLike(1),
  PlaceholderWithDefault: identity,
  Pow: same('Pow'),
  PreventGradient: identity,
  RealDiv: divided,
  Reciprocal: same('Reciprocal'),
  Relu: same('Relu'),
  Relu6: written((t, names) => t.emit('Clip', [...names, t.floats([0]), t.floats([6])])),
  Rint: same('Round'),
  Round: same('Round'),
  Rsqrt: written((t, names) => t.emit('Reciprocal', [t.emit('Sqrt', names)])),
  Select: where,
  SelectV2: where,
  Selu: same('Selu'),
  Sigmoid: same('Sigmoid'),
  Sign: same('Sign'),
  Sin: same('Sin'),
  Sinh: same('Sinh'),
  Snapshot: identity,
  Softplus: same('Softplus'),
  Softsign: same('Softsign'),
  Sqrt: same('Sqrt'),
  Square: written((t, [x = '']) => t.emit('Mul', [x, x])),
  SquaredDifference: written((t, names) => {
    const difference = t.emit('Sub', names)
    return t.emit('Mul', [difference, difference])
  }),
  StopGradient: identity,
  Sub: same('Sub'),
  Tan: same('Tan'),
  Tanh: same('Tanh'),
  ZerosLike: constantLike(0),
}
