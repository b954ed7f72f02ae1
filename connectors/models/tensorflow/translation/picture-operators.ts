import type { Constant } from '../constant.ts'
import { channelsFirstValue, type NodeTranslation, type Operator, plainValue } from './node-translation.ts'
import type { Attributes } from './onnx-builder.ts'
import { Untranslatable } from './untranslatable.ts'

const convolution: Operator = (t) => {
  t.requireNhwc()
  const kernel = kernelOf(t)
  const [height = 0, width = 0] = kernel.shape
  const dilations = t.integers('dilations').slice(1, 3)
  // TensorFlow's kernels have the dimensions [height, width, in, out], and ONNX's have [out, in, height, width].
  const weights = t.emit('Transpose', [t.constant(kernel)], { perm: [3, 2, 0, 1] })
  return channelsFirstValue(
    t.input(0).dtype,
    t.emit('Conv', [t.channelsFirst(t.input(0)), weights], { dilations, ...windowOf(t, [height, width], dilations) }),
  )
}

const depthwise: Operator = (t) => {
  t.requireNhwc()
  const kernel = kernelOf(t)
  const [height = 0, width = 0, channels = 0, multiplier = 0] = kernel.shape
  const dilations = t.integers('dilations').slice(1, 3)
  const flat = t.constant({ ...kernel, shape: [height, width, 1, channels * multiplier] })
  const weights = t.emit('Transpose', [flat], { perm: [3, 2, 0, 1] })
  const attributes = { dilations, group: channels, ...windowOf(t, [height, width], dilations) }
  return channelsFirstValue(t.input(0).dtype, t.emit('Conv', [t.channelsFirst(t.input(0)), weights], attributes))
}

/**
 * Translates a transposed convolution. The translation assumes an output as large as the input times the stride. If this is wrong, the comparison
 * with tfjs detects it.
 */
const backward: Operator = (t) => {
  t.requireNhwc()
  const kernel = kernelOf(t)
  const strides = t.integers('strides').slice(1, 3)
  const padding = t.text('padding')
  if (padding === 'EXPLICIT') throw new Untranslatable('Conv2DBackpropInput of explicit padding')
  const excess = strides.map((stride, at) => (padding === 'SAME' ? (kernel.shape[at] ?? 0) - stride : 0))
  const cut = excess.map((size) => Math.max(0, size))
  const pads = [...cut.map((size) => Math.floor(size / 2)), ...cut.map((size) => Math.ceil(size / 2))]
  const output_padding = excess.map((size) => Math.max(0, -size))
  const weights = t.emit('Transpose', [t.constant(kernel)], { perm: [3, 2, 0, 1] })
  const attributes = { strides, pads, output_padding, dilations: t.integers('dilations').slice(1, 3) }
  return channelsFirstValue(t.input(2).dtype, t.emit('ConvTranspose', [t.channelsFirst(t.input(2)), weights], attributes))
}

function kernelOf(t: NodeTranslation): Constant {
  const { constant } = t.input(1)
  if (constant === null || constant.shape.length !== 4) throw new Untranslatable(`${t.node.op} whose kernel is computed`)
  return constant
}

/** Strides and padding of a window that moves over height and width. */
function windowOf(t: NodeTranslation, [height, width]: readonly [number, number], dilations: readonly number[]): Attributes {
  const strides = t.integers('strides').slice(1, 3)
  const padding = t.text('padding')
  if (padding === 'VALID') return { strides }
  if (padding === 'EXPLICIT') {
    const [, , top = 0, bottom = 0, left = 0, right = 0] = t.integers('explicit_paddings')
    return { strides, pads: [top, left, bottom, right] }
  }
  // A window of one pixel needs no padding. ONNX would compute a negative padding, and cut off part of the picture.
  if (height === 1 && width === 1) return { strides }
  if (strides.some((stride) => stride !== 1)) {
    if (height < (strides[0] ?? 1) || width < (strides[1] ?? 1)) throw new Untranslatable(`${t.node.op} whose kernel is smaller than its stride`)
    if (dilations.some((dilation) => dilation !== 1)) throw new Untranslatable(`${t.node.op} with both strides and dilations`)
    return { strides, auto_pad: 'SAME_UPPER' }
  }
  const all = [(height - 1) * (dilations[0] ?? 1), (width - 1) * (dilations[1] ?? 1)]
  return { strides, pads: [...all.map((size) => Math.floor(size / 2)), ...all.map((size) => Math.ceil(size / 2))] }
}

function pool(op: string, more: Attributes | null = null): Operator {
  return (t) => {
    t.requireNhwc()
    const [outer = 0, height = 0, width = 0, channels = 0] = t.integers('ksize')
    if (outer !== 1 || channels !== 1) throw new Untranslatable(`${t.node.op} over rows or channels`)
    const attributes = { kernel_shape: [height, width], ...windowOf(t, [height, width], [1, 1]), ...more }
    return channelsFirstValue(t.input(0).dtype, t.emit(op, [t.channelsFirst(t.input(0))], attributes))
  }
}

const normalized: Operator = (t) => {
  t.requireNhwc()
  if (t.flag('is_training')) throw new Untranslatable('FusedBatchNorm in training')
  const [x, ...statistics] = t.inputs
  if (x === undefined) throw new Untranslatable('FusedBatchNorm without input')
  const names = [t.channelsFirst(x), ...statistics.map((value) => t.plain(value))]
  return channelsFirstValue(x.dtype, t.emit('BatchNormalization', names, { epsilon: { float: t.float('epsilon') } }))
}

function resized(mode: 'linear' | 'nearest'): Operator {
  return (t) => {
    const isCornered = t.flag('align_corners')
    const isHalf = t.flag('half_pixel_centers')
    const coordinate_transformation_mode = isCornered ? 'align_corners' : isHalf ? 'half_pixel' : 'asymmetric'
    const nearest_mode = isCornered || isHalf ? 'round_prefer_ceil' : 'floor'
    const attributes = { mode, coordinate_transformation_mode, nearest_mode }
    const image = t.channelsFirst(t.input(0))
    const outer = t.emit('Slice', [t.emit('Shape', [image]), t.ints([0]), t.ints([2])])
    const sizes = t.emit('Concat', [outer, t.int64(t.input(1))], { axis: 0 })
    return channelsFirstValue(t.input(0).dtype, t.emit('Resize', [image, '', '', sizes], attributes))
  }
}

function spread(op: string, attributes: Attributes): Operator {
  return (t) => {
    t.requireNhwc()
    return channelsFirstValue(t.input(0).dtype, t.emit(op, [t.channelsFirst(t.input(0))], { blocksize: t.integer('block_size'), ...attributes }))
  }
}

const padded: Operator = (t) => {
  const mode = t.node.op === 'MirrorPad' ? t.text('mode') : 'CONSTANT'
  if (mode === 'SYMMETRIC') throw new Untranslatable('MirrorPad with the mode SYMMETRIC')
  const [x, , value] = t.inputs
  if (x === undefined) throw new Untranslatable('Pad without input')
  const given = t.numbers(1)
  const isChannelsFirst = x.plain === null && x.channelsFirst !== null && x.constant === null
  const axes = isChannelsFirst ? [0, 3, 1, 2] : Array.from({ length: given.length / 2 }, (_, axis) => axis)
  const pads = t.ints([...axes.map((axis) => given[axis * 2] ?? 0), ...axes.map((axis) => given[axis * 2 + 1] ?? 0)])
  const filling = value === undefined || mode !== 'CONSTANT' ? [] : [t.plain(value)]
  const name = t.emit('Pad', [isChannelsFirst ? t.channelsFirst(x) : t.plain(x), pads, ...filling], {
    mode: mode === 'REFLECT' ? 'reflect' : 'constant',
  })
  return isChannelsFirst ? channelsFirstValue(x.dtype, name) : plainValue(x.dtype, name)
}

/** Operators on pictures, which have the dimensions [rows, height, width, channels]. */
export const pictureOperators: { readonly [op: string]: Operator } = {
  AvgPool: pool('AveragePool', { count_include_pad: 0 }),
  Conv2D: convolution,
  Conv2DBackpropInput: backward,
  DepthToSpace: spread('DepthToSpace', { mode: 'DCR' }),
  DepthwiseConv2dNative: depthwise,
  FusedBatchNorm: normalized,
  FusedBatchNormV2: normalized,
  FusedBatchNormV3: normalized,
  LRN: (t) => {
    const size = 2 * t.integer('depth_radius') + 1
    const attributes = { size, alpha: { float: t.float('alpha') * size }, beta: { float: t.float('beta') }, bias: { float: t.float('bias') } }
    return channelsFirstValue(t.input(0).dtype, t.emit('LRN', [t.channelsFirst(t.input(0))], attributes))
  },
  MaxPool: pool('MaxPool'),
  MirrorPad: padded,
  Pad: padded,
  PadV2: padded,
  ResizeBilinear: resized('linear'),
  ResizeNearestNeighbor: resized('nearest'),
  SpaceToDepth: spread('SpaceToDepth', {}),
}
