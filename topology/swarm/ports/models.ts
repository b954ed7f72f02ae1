import { WaggleError } from '../../waggle-error.ts'
import type { Datatype, TensorData } from '../payload/payload.ts'

/** Runs model files, each in a thread of its own, with tensors in shared memory. */
export interface Models {
  open(options: ModelOptions): Promise<OpenModel>
  /** The folder of numbered versions at a path; null if the path is a model itself. Throws WAGGLE_MODEL_NOT_FOUND if there is no file at the path. */
  versionsAt(path: string, runtime: ModelOptions['runtime']): Promise<VersionFolder | null>
  /** Calls `look` every few seconds until the returned function is called. A call begins only when the previous call has ended. */
  watch(look: () => Promise<void>): () => void
}

/** A folder with numbered folders in it, each with one version of a model, as TensorFlow Serving reads it. */
export interface VersionFolder {
  /** The versions in ascending order. If nothing was added or removed since the last look, the method costs one `stat`. */
  look(): Promise<readonly FoundVersion[]>
  /** Looks twice with a short pause between, so that `isComplete` is true for each version whose files stay the same. */
  lookTwice(): Promise<readonly FoundVersion[]>
}

export interface FoundVersion {
  readonly version: number
  /** A text that changes with the names, sizes and times of the version's files. */
  readonly fingerprint: string
  /** False if the version's files have changed since the previous look. Somebody may still be copying the files. */
  readonly isComplete: boolean
}

export interface ModelOptions {
  /** The path of a file on this machine. */
  readonly path: string
  readonly runtime: 'tensorflow' | 'onnx'
  /** The number of GPUs that the model asks for. Without a GPU the model runs on the CPU, with a warning, unless `requireGpu` is set. */
  readonly gpu: number
  readonly fit: PictureFit
  /** The output that the caller needs, whatever its size. Any other output is left out if it has more than `maxOutputValues` values. */
  readonly output?: string
  /** The number of a version in a folder of versions. Default: the path is a model itself, or the highest version. */
  readonly version?: number
  /** Options for a model with `runtime` `tensorflow`. */
  readonly tensorflow?: TensorFlowOptions
  /** True if the caller names the scores. Then no names are looked up in files beside the model. */
  readonly isLabelled?: boolean
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void
}

/**
 * The library that runs a TensorFlow model. `onnx`: onnxruntime, with the graph translated to ONNX; a graph that cannot be translated is refused.
 * `tfjs`: TensorFlow.js. `auto`, the default: onnxruntime if the translation gives the same results as tfjs, otherwise tfjs.
 */
export type TensorFlowBackend = 'auto' | 'onnx' | 'tfjs'

/** The part of a TensorFlow model that is served, and the library that runs it. */
export interface TensorFlowOptions {
  /** The signature of a SavedModel. Default: `serving_default`. */
  readonly signature?: string
  /** The number of a version in a folder of versions. Default: the highest. */
  readonly version?: number
  readonly backend?: TensorFlowBackend
}

/** The conversion of a picture to the model's input. Missing fields are read from the model's own signature. */
export interface PictureFit {
  /** Height and width in pixels. */
  readonly resize?: readonly [height: number, width: number]
  /** `fill`: the whole picture, stretched. `cover`: the centre of the picture, with its aspect ratio. */
  readonly fit?: 'fill' | 'cover'
  readonly layout?: 'NHWC' | 'NCHW'
  /** Each value from 0 to 255 becomes `value × factors[channel] + offsets[channel]`. Default: the value itself. */
  readonly values?: { readonly factors: readonly number[]; readonly offsets: readonly number[] }
}

/** Names of the Open Inference Protocol v2. BYTES are strings. */
export type ModelDatatype = Datatype | 'FP16' | 'BYTES'

export interface TensorSignature {
  readonly name: string
  readonly datatype: ModelDatatype
  /** The sizes of the dimensions; -1 is a free dimension. */
  readonly shape: readonly number[]
  /**
   * The names of the dimensions, in the order of `shape`; empty for a dimension without a name. Free dimensions of the same name have the same size.
   */
  readonly dimensions: readonly string[]
}

/** Names of the scores, in their order. */
export interface ModelLabels {
  readonly names: readonly string[]
  /** The file or the metadata that contains the names. Errors quote this text. */
  readonly from: string
}

export interface ModelSignature {
  /** Inputs as in the file, mostly with the batch as their first dimension. */
  readonly inputs: readonly TensorSignature[]
  /** The outputs of the file, without those that are too large for a prediction. */
  readonly outputs: readonly TensorSignature[]
  /** One row of each input, in the order of `inputs`: the shapes without the batch. */
  readonly rows: readonly TensorSignature[]
  /** One row of each output, in the order of `outputs`. */
  readonly outputRows: readonly TensorSignature[]
  /** The number of rows in a run; null for any number. */
  readonly rowsPerRun: number | null
  /** True if the model has one input, and it may be a picture. */
  readonly takesPictures: boolean
  /** Names of the classes in the order of the scores; null if the file does not contain them. */
  readonly classes: readonly string[] | null
  /** Labels that the model’s maker has added, in a file beside the model or in its metadata. The labels count only if the spec has no labels. */
  readonly labels: ModelLabels | null
}

/** One row: a picture to resize, or a tensor for each input, in the order of `ModelSignature.rows`. */
export type ModelRow =
  | { readonly kind: 'picture'; readonly height: number; readonly width: number; readonly pixels: Uint8Array }
  | { readonly kind: 'tensors'; readonly tensors: readonly RowTensor[] }

/** One row of an input. `data` is an array that fits the input's datatype: for example a Float32Array for FP16, and a list for BYTES. */
export interface RowTensor {
  readonly shape: readonly number[]
  readonly data: TensorData | readonly string[]
}

/** The outputs of one row, by name. */
export interface ModelResult {
  readonly outputs: { readonly [name: string]: ModelOutput }
}

/** Values in row-major order, ready for JSON. A 64-bit integer outside ±(2^53 - 1) is a string of its digits. */
export interface ModelOutput {
  readonly shape: readonly number[]
  readonly values: readonly (number | string | boolean)[]
}

/** A call that was in flight when its model's thread died. The call itself may be innocent. */
export class ModelDied extends WaggleError {}

/** The part of a call that a model on another machine is told. */
export interface ModelCall {
  /** The time, in epoch milliseconds, after which nobody needs the results; null if there is none. */
  readonly deadline: number | null
  /** The headers with which the server continues the trace of the request. */
  readonly trace: { readonly [header: string]: string }
}

export interface OpenModel {
  readonly signature: ModelSignature
  /** The device and library that run the model, for logs. */
  readonly device: string
  /** The reason why this library runs the model; null if there is no choice. */
  readonly choice: string | null
  /**
   * A model on another machine gets `call`. Throws `ModelDied` if the model's thread dies meanwhile. The next call starts the thread again.
   */
  run(rows: readonly ModelRow[], signal: AbortSignal, call?: Partial<ModelCall>): Promise<readonly ModelResult[]>
  close(): Promise<void>
}
