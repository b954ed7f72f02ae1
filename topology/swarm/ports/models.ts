import type { Datatype } from '../payload.ts'

/** Runs model files: each in a thread of its own, tensors in shared memory. */
export interface Models {
  open(options: ModelOptions): Promise<OpenModel>
}

export interface ModelOptions {
  /** Path of a file on this machine. */
  readonly path: string
  readonly runtime: 'tensorflow' | 'onnx'
  /** GPUs that the model asks for. Without a GPU the model runs on the CPU, with a warning, unless `requireGpu` is set. */
  readonly gpu: number
  readonly fit: PictureFit
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void
}

/** How a picture becomes the model's input. Fields that are left out are read from the model's own signature. */
export interface PictureFit {
  /** Height and width in pixels. */
  readonly resize?: readonly [height: number, width: number]
  /** `fill`: the whole picture, stretched. `cover`: aspect ratio kept, the centre cut out. */
  readonly fit?: 'fill' | 'cover'
  readonly layout?: 'NHWC' | 'NCHW'
  /** Factor for each value from 0 to 255. */
  readonly scale?: number
}

export interface TensorSignature {
  readonly name: string
  readonly datatype: Datatype
  /** Sizes of the dimensions; -1 is a free one. The first is the batch. */
  readonly shape: readonly number[]
}

export interface ModelSignature {
  readonly inputs: readonly TensorSignature[]
  readonly outputs: readonly TensorSignature[]
}

/** One row: a picture to be fitted, or the values of the input tensor. */
export type ModelRow =
  | { readonly kind: 'picture'; readonly height: number; readonly width: number; readonly pixels: Uint8Array }
  | { readonly kind: 'values'; readonly values: Float32Array }

/** Outputs of one row by name, without those of more than 64 values. */
export interface ModelResult {
  readonly outputs: { readonly [name: string]: readonly number[] }
}

export interface OpenModel {
  readonly signature: ModelSignature
  /** Number of values in one row of the input. */
  readonly rowSize: number
  /** Device and library that run the model, for logs. */
  readonly device: string
  run(rows: readonly ModelRow[], signal: AbortSignal): Promise<readonly ModelResult[]>
  close(): Promise<void>
}
