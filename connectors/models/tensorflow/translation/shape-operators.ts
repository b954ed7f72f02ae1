import { numbersOf } from '../constant.ts'
import { dataTypes } from '../graph-schema.ts'
import { inOneLayout } from './elementwise-operators.ts'
import { channelsFirstValue, type NodeTranslation, type Operator, plainValue, type Value } from './node-translation.ts'
import type { Attributes } from './onnx-builder.ts'
import { batchToSpace, spaceToBatch } from './space-and-batch.ts'
import { stridedSlice } from './strided-slice.ts'
import { Untranslatable } from './untranslatable.ts'

/** The translation of an operator that ONNX has too. All inputs after the first become 64-bit integers. */
function sized(op: string, attributes: Attributes | null = null): Operator {
  return (t) => {
    const [x, ...sizes] = t.inputs
    if (x === undefined) throw new Untranslatable(`${op} without input`)
    return plainValue(x.dtype, t.emit(op, [t.plain(x), ...sizes.map((value) => t.int64(value))], attributes))
  }
}

/** Translates a reshape. A reshaped constant stays a constant with the same bytes, so that an operator that reads a kernel still finds a constant. */
const reshaped: Operator = (t) => {
  const { constant, dtype } = t.input(0)
  const sizes = t.input(1).constant
  if (constant === null || sizes === null) return sized('Reshape', { allowzero: 1 })(t)
  const known = numbersOf(sizes)
  const all = constant.shape.reduce((product, size) => product * size, 1)
  const others = known.filter((size) => size >= 0).reduce((product, size) => product * size, 1)
  return { dtype, constant: { ...constant, shape: known.map((size) => (size < 0 ? all / others : size)) }, plain: null, channelsFirst: null }
}

const expanded: Operator = (t) => {
  const { constant, dtype } = t.input(0)
  const axis = t.number(1)
  if (constant === null) return plainValue(dtype, t.emit('Unsqueeze', [t.plain(t.input(0)), t.ints([axis])]))
  const shape = constant.shape.toSpliced(axis < 0 ? constant.shape.length + 1 + axis : axis, 0, 1)
  return { dtype, constant: { ...constant, shape }, plain: null, channelsFirst: null }
}

function joined(t: NodeTranslation, values: readonly Value[], axis: number): Value {
  const dtype = values[0]?.dtype ?? dataTypes.float
  const isChannelsFirst = (axis === 3 || axis === -1) && values.every(({ plain, channelsFirst }) => channelsFirst !== null && plain === null)
  if (!isChannelsFirst)
    return plainValue(
      dtype,
      t.emit(
        'Concat',
        values.map((value) => t.plain(value)),
        { axis },
      ),
    )
  return channelsFirstValue(
    dtype,
    t.emit(
      'Concat',
      values.map((value) => t.channelsFirst(value)),
      { axis: 1 },
    ),
  )
}

function gathered(t: NodeTranslation, axis: number): Value {
  if (t.integer('batch_dims') !== 0) throw new Untranslatable('GatherV2 with batch_dims')
  return plainValue(t.input(0).dtype, t.emit('Gather', [t.plain(t.input(0)), t.plain(t.input(1))], { axis }))
}

const squeezed: Operator = (t) => {
  const x = t.input(0)
  const axes = t.integers('squeeze_dims')
  if (x.plain === null && x.channelsFirst !== null && x.constant === null && axes.length === 2 && axes.every((axis) => axis === 1 || axis === 2))
    return plainValue(x.dtype, t.emit('Squeeze', [x.channelsFirst, t.ints([2, 3])]))
  return plainValue(x.dtype, t.emit('Squeeze', [t.plain(x), ...(axes.length === 0 ? [] : [t.ints(axes)])]))
}

const unpacked: Operator = (t) => {
  const x = t.input(0)
  const axis = t.integer('axis')
  const count = t.integer('num')
  const parts = count === 1 ? [t.plain(x)] : t.emitMany('Split', [t.plain(x)], count, { axis, num_outputs: count })
  return parts.map((part) => plainValue(x.dtype, t.emit('Squeeze', [part, t.ints([axis])])))
}

function split(t: NodeTranslation, x: Value, axis: number, count: number, sizes: readonly string[]): readonly Value[] {
  if (count === 1) return [x]
  const attributes = sizes.length === 0 ? { axis, num_outputs: count } : { axis }
  return t.emitMany('Split', [t.plain(x), ...sizes], count, attributes).map((name) => plainValue(x.dtype, name))
}

const sliced: Operator = (t) => {
  const sizes = t.numbers(2)
  const begin = t.int64(t.input(1))
  const toEnd = sizes.map((size) => (size < 0 ? Number.MAX_SAFE_INTEGER : size))
  const end = t.emit('Add', [begin, t.ints(toEnd)])
  return plainValue(t.input(0).dtype, t.emit('Slice', [t.plain(t.input(0)), begin, end]))
}

const hot: Operator = (t) => {
  const dtype = t.input(2).dtype
  const [on, off] = [t.input(2), t.input(3)].map((value) => t.emit('Reshape', [t.cast(t.plain(value), dataTypes.float), t.ints([1])]))
  const values = t.emit('Concat', [off ?? '', on ?? ''], { axis: 0 })
  const depth = t.emit('Reshape', [t.int64(t.input(1)), t.ints([1])])
  const places = t.int64(t.input(0))
  const found = t.emit('OneHot', [places, depth, values], { axis: t.integer('axis') })
  // ONNX counts a negative place from the end. TensorFlow has only `off` values for such a place.
  const isNegative = t.emit('Unsqueeze', [t.emit('Less', [places, t.ints([0], [])]), t.ints([t.integer('axis')])])
  const made = t.emit('Where', [isNegative, off ?? '', found])
  return plainValue(dtype, dtype === dataTypes.float ? made : t.cast(made, dtype))
}

function shapeOf(op: string): Operator {
  return (t) => {
    const dtype = t.type('out_type')
    const found = t.emit(op, [t.plain(t.input(0))])
    return plainValue(dtype, dtype === dataTypes.int64 ? found : t.cast(found, dtype))
  }
}

/** Operators that move values without changing them. */
export const shapeOperators: { readonly [op: string]: Operator } = {
  BatchToSpaceND: batchToSpace,
  BroadcastTo: sized('Expand'),
  Concat: (t) => joined(t, t.inputs.slice(1), t.number(0)),
  ConcatV2: (t) => joined(t, t.inputs.slice(0, -1), t.number(t.inputs.length - 1)),
  ExpandDims: expanded,
  Fill: (t) => plainValue(t.input(1).dtype, t.emit('Expand', [t.plain(t.input(1)), t.int64(t.input(0))])),
  Gather: (t) => gathered(t, 0),
  GatherNd: sized('GatherND'),
  GatherV2: (t) => gathered(t, t.number(2)),
  OneHot: hot,
  Pack: (t) => {
    const axis = t.integer('axis')
    const parts = t.inputs.map((value) => t.emit('Unsqueeze', [t.plain(value), t.ints([axis])]))
    return plainValue(t.input(0).dtype, t.emit('Concat', parts, { axis }))
  },
  Range: (t) => inOneLayout(t, t.inputs, (names) => t.emit('Range', names), t.input(0).dtype),
  Rank: (t) => plainValue(dataTypes.int32, t.cast(t.emit('Size', [t.emit('Shape', [t.plain(t.input(0))])]), dataTypes.int32)),
  Reshape: reshaped,
  ReverseV2: (t) => {
    const axes = t.numbers(1)
    const all = (value: number) => t.ints(axes.map(() => value))
    return plainValue(t.input(0).dtype, t.emit('Slice', [t.plain(t.input(0)), all(-1), all(-Number.MAX_SAFE_INTEGER), t.ints(axes), all(-1)]))
  },
  Shape: shapeOf('Shape'),
  Size: shapeOf('Size'),
  Slice: sliced,
  SpaceToBatchND: spaceToBatch,
  Split: (t) => split(t, t.input(1), t.number(0), t.integer('num_split'), []),
  SplitV: (t) => split(t, t.input(0), t.number(2), t.integer('num_split'), [t.int64(t.input(1))]),
  Squeeze: squeezed,
  StridedSlice: stridedSlice,
  Tile: sized('Tile'),
  Transpose: (t) => plainValue(t.input(0).dtype, t.emit('Transpose', [t.plain(t.input(0))], { perm: t.numbers(1) })),
  Unpack: unpacked,
}
