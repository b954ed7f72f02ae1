import { dataTypes } from '../graph-schema.ts'
import { channelsFirstValue, type NodeTranslation, type Operator, plainValue } from './node-translation.ts'

function reduced(op: string): Operator {
  return (t) => reduction(t, op)
}

function reduction(t: NodeTranslation, op: string): ReturnType<Operator> {
  const x = t.input(0)
  const axes = t.numbers(1)
  const keepdims = t.flag('keep_dims') ? 1 : 0
  const isChannelsFirst = x.plain === null && x.channelsFirst !== null && x.constant === null
  const overPicture = axes.every((axis) => channelsFirstAxes.has(axis)) && (keepdims === 1 || axes.every((axis) => axis === 1 || axis === 2))
  // If height and width are removed, only rows and channels are left, and their order is the same in both layouts.
  const keepsChannelsLast = keepdims === 1 || axes.length === 2
  if (isChannelsFirst && overPicture && keepsChannelsLast) {
    const name = t.emit(op, [t.channelsFirst(x), t.ints(axes.map((axis) => channelsFirstAxes.get(axis) ?? axis))], { keepdims })
    return keepdims === 1 ? channelsFirstValue(x.dtype, name) : plainValue(x.dtype, name)
  }
  // With an empty list of axes, TensorFlow reduces nothing. ONNX would reduce all axes without `noop_with_empty_axes`.
  return plainValue(x.dtype, t.emit(op, [t.plain(x), t.ints(axes)], { keepdims, noop_with_empty_axes: 1 }))
}

/** For each axis of [rows, height, width, channels], its place in the layout with the channels before height and width. */
const channelsFirstAxes: ReadonlyMap<number, number> = new Map([
  [1, 2],
  [2, 3],
  [3, 1],
  [-1, 1],
])

/** The translation of a reduction of booleans. ONNX cannot reduce booleans, so they become numbers. */
function logical(op: string): Operator {
  return (t) => {
    const keepdims = t.flag('keep_dims') ? 1 : 0
    const whole = t.cast(t.plain(t.input(0)), dataTypes.int32)
    return plainValue(dataTypes.bool, t.cast(t.emit(op, [whole, t.ints(t.numbers(1))], { keepdims }), dataTypes.bool))
  }
}

function place(op: string): Operator {
  return (t) => {
    const dtype = t.type('output_type')
    const found = t.emit(op, [t.plain(t.input(0))], { axis: t.number(1), keepdims: 0 })
    return plainValue(dtype, dtype === dataTypes.int64 ? found : t.cast(found, dtype))
  }
}

function softmax(op: string): Operator {
  return (t) => {
    const x = t.input(0)
    return x.plain === null && x.channelsFirst !== null
      ? channelsFirstValue(x.dtype, t.emit(op, [x.channelsFirst], { axis: 1 }))
      : plainValue(x.dtype, t.emit(op, [t.plain(x)], { axis: -1 }))
  }
}

/** Operators that combine several values along an axis. */
export const reductionOperators: { readonly [op: string]: Operator } = {
  All: logical('ReduceMin'),
  Any: logical('ReduceMax'),
  ArgMax: place('ArgMax'),
  ArgMin: place('ArgMin'),
  Cumsum: (t) => {
    const attributes = { exclusive: t.flag('exclusive') ? 1 : 0, reverse: t.flag('reverse') ? 1 : 0 }
    return plainValue(t.input(0).dtype, t.emit('CumSum', [t.plain(t.input(0)), t.ints([t.number(1)], [])], attributes))
  },
  EuclideanNorm: reduced('ReduceL2'),
  LogSoftmax: softmax('LogSoftmax'),
  Max: reduced('ReduceMax'),
  Mean: reduced('ReduceMean'),
  Min: reduced('ReduceMin'),
  Prod: reduced('ReduceProd'),
  Softmax: softmax('Softmax'),
  Sum: reduced('ReduceSum'),
  TopKV2: (t) => {
    const k = t.emit('Reshape', [t.int64(t.input(1)), t.ints([1])])
    const [values = '', places = ''] = t.emitMany('TopK', [t.plain(t.input(0)), k], 2, { axis: -1, sorted: t.flag('sorted') ? 1 : 0 })
    return [plainValue(t.input(0).dtype, values), plainValue(dataTypes.int32, t.cast(places, dataTypes.int32))]
  },
}
