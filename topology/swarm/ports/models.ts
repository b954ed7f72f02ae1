import type { Datatype } from '../payload.ts'

/** Runs model files: each in a thread of its own, tensors in shared memory. */
export interface Models {
  open(options: ModelOptions): Promise<OpenModel>
}

export interface ModelOptions {
  /** A file of this machine. */
  readonly path: string
  readonly runtime: 'tensorflow' | 'onnx'
  /** GPUs asked for; without one to be found it runs on the CPU, with a warning, unless `requireGpu`. */
  readonly gpu: number
  readonly fit: PictureFit
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void
}

/** How a picture becomes the model's input; what is not said is read from the model's own signature. */
export interface PictureFit {
  /** Height and width in pixels. */
  readonly resize?: readonly [height: number, width: number]
  /** fill: the whole picture, squashed. cover: aspect kept, the centre cut out. */
  readonly fit?: 'fill' | 'cover'
  readonly layout?: 'NHWC' | 'NCHW'
  /** Each value 0–255 is multiplied by this. */
  readonly scale?: number
}

export interface TensorSignature {
  readonly name: string
  readonly datatype: Datatype
  /** -1 is a free dimension; the first is the batch. */
  readonly shape: readonly number[]
}

export interface ModelSignature {
  readonly inputs: readonly TensorSignature[]
  readonly outputs: readonly TensorSignature[]
}

/** One row: a picture to be fitted, or the input tensor's own values. */
export type ModelRow =
  | { readonly kind: 'picture'; readonly height: number; readonly width: number; readonly pixels: Uint8Array }
  | { readonly kind: 'values'; readonly values: Float32Array }

/** Outputs of one row, those of at most 64 values, by name. */
export interface ModelResult {
  readonly outputs: { readonly [name: string]: readonly number[] }
}

export interface OpenModel {
  readonly signature: ModelSignature
  /** Values that one row of the input has. */
  readonly rowSize: number
  /** Of the device and library that runs it, for logs. */
  readonly device: string
  run(rows: readonly ModelRow[], signal: AbortSignal): Promise<readonly ModelResult[]>
  close(): Promise<void>
}
