import type { ErrorCode } from '../../topology/error-codes.ts'
import type { ModelOptions, ModelSignature, PictureFit, TensorFlowOptions } from '../../topology/swarm/ports/models.ts'
import type { RunTensor } from './model-runtime.ts'

/** The `workerData` of a model's thread. */
export interface ModelThreadData {
  readonly path: string
  readonly version: number | undefined
  readonly runtime: ModelOptions['runtime']
  readonly gpu: number
  readonly threads: number
  readonly fit: PictureFit
  readonly output: string | undefined
  readonly tensorflow: TensorFlowOptions
  readonly isLabelled: boolean
}

export interface RunMessage {
  readonly call: number
  readonly buffer: SharedArrayBuffer
  readonly rows: readonly PackedRow[]
}

/** One row in the shared buffer. `position` is in bytes. */
export type PackedRow =
  | { readonly kind: 'picture'; readonly position: number; readonly height: number; readonly width: number }
  | { readonly kind: 'tensors'; readonly tensors: readonly PackedTensor[] }

/** A tensor in the shared buffer. Strings are in the message instead, because the shared buffer holds only numbers. */
export type PackedTensor =
  | { readonly shape: readonly number[]; readonly position: number }
  | { readonly shape: readonly number[]; readonly strings: readonly string[] }

/** The outputs of one run. */
export interface RunResult {
  /** The indexes of the call's rows that were in this run, in order. */
  readonly rows: readonly number[]
  /** The number of rows in the tensors. A run of fixed size is filled up, so it may have more rows than the call. */
  readonly count: number
  readonly outputs: { readonly [name: string]: RunTensor }
}

export type ThreadMessage =
  | {
      readonly kind: 'ready'
      readonly signature: ModelSignature
      readonly device: string
      readonly choice: string | null
      readonly warning: string | null
    }
  | { readonly kind: 'broken'; readonly code: ErrorCode; readonly message: string; readonly next: string }
  | { readonly kind: 'result'; readonly call: number; readonly runs: readonly RunResult[] }
  | { readonly kind: 'failed'; readonly call: number; readonly message: string }
