import { dataTypes, type RawAttr } from './graph-schema.ts'

/** The attributes of a node. Attributes that a SavedModel leaves out get TensorFlow's defaults. */
export function withDefaults(op: string, attr: ReadonlyMap<string, RawAttr>): ReadonlyMap<string, RawAttr> {
  const known = defaults.get(op)
  return known === undefined ? attr : new Map([...known, ...attr])
}

const off: RawAttr = { value: 'b', b: false }
const on: RawAttr = { value: 'b', b: true }
const nhwc: RawAttr = { value: 's', s: Buffer.from('NHWC') }
const type = (number: number): RawAttr => ({ value: 'type', type: number })
const whole = (i: number): RawAttr => ({ value: 'i', i })
const real = (f: number): RawAttr => ({ value: 'f', f })
const list = (...i: readonly number[]): RawAttr => ({ value: 'list', list: { i } })

const convolution = { data_format: nhwc, dilations: list(1, 1, 1, 1), explicit_paddings: list(), use_cudnn_on_gpu: on }
const pool = { data_format: nhwc, explicit_paddings: list() }
const norm = { epsilon: real(1e-4), data_format: nhwc, is_training: on, exponential_avg_factor: real(1) }
const reduction = { keep_dims: off }
const resize = { align_corners: off, half_pixel_centers: off }
const product = { adj_x: off, adj_y: off }

const defaults: ReadonlyMap<string, ReadonlyMap<string, RawAttr>> = new Map(
  Object.entries({
    ArgMax: { output_type: type(dataTypes.int64) },
    ArgMin: { output_type: type(dataTypes.int64) },
    AvgPool: pool,
    BatchMatMul: product,
    BatchMatMulV2: product,
    BatchMatMulV3: product,
    BiasAdd: { data_format: nhwc },
    Conv2D: convolution,
    Conv2DBackpropInput: convolution,
    Cumsum: { exclusive: off, reverse: off },
    DepthToSpace: { data_format: nhwc },
    DepthwiseConv2dNative: convolution,
    FusedBatchNorm: norm,
    FusedBatchNormV2: norm,
    FusedBatchNormV3: norm,
    GatherV2: { batch_dims: whole(0) },
    LRN: { depth_radius: whole(5), bias: real(1), alpha: real(1), beta: real(0.5) },
    LeakyRelu: { alpha: real(0.2) },
    MatMul: { transpose_a: off, transpose_b: off },
    MaxPool: pool,
    OneHot: { axis: whole(-1) },
    Pack: { axis: whole(0) },
    ResizeBilinear: resize,
    ResizeNearestNeighbor: resize,
    Shape: { out_type: type(dataTypes.int32) },
    Size: { out_type: type(dataTypes.int32) },
    SpaceToDepth: { data_format: nhwc },
    Squeeze: { squeeze_dims: list() },
    StridedSlice: { begin_mask: whole(0), end_mask: whole(0), ellipsis_mask: whole(0), new_axis_mask: whole(0), shrink_axis_mask: whole(0) },
    TopKV2: { sorted: on },
    Unpack: { axis: whole(0) },
    ...Object.fromEntries(['Mean', 'Sum', 'Max', 'Min', 'Prod', 'All', 'Any', 'EuclideanNorm'].map((op) => [op, reduction])),
  }).map(([op, attr]) => [op, new Map(Object.entries<RawAttr>(attr))]),
)
