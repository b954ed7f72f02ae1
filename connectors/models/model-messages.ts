import type { ErrorCode } from '../../topology/error-codes.ts'
import type { ModelOptions, ModelSignature, PictureFit } from '../../topology/swarm/ports/models.ts'

/** The `workerData` of a model's thread. */
export interface ModelThreadData {
  readonly path: string
  readonly runtime: ModelOptions['runtime']
  readonly gpu: number
  readonly fit: PictureFit
}

export interface RunMessage {
  readonly call: number
  readonly buffer: SharedArrayBuffer
  readonly rows: readonly PackedRow[]
}

/** One row in the shared buffer. `position` is in bytes. */
export type PackedRow =
  | { readonly kind: 'picture'; readonly position: number; readonly height: number; readonly width: number }
  | { readonly kind: 'values'; readonly position: number }

export type ThreadMessage =
  | { readonly kind: 'ready'; readonly signature: ModelSignature; readonly rowSize: number; readonly device: string; readonly warning: string | null }
  | { readonly kind: 'broken'; readonly code: ErrorCode; readonly message: string; readonly next: string }
  | { readonly kind: 'result'; readonly call: number; readonly outputs: { readonly [name: string]: Float32Array } }
  | { readonly kind: 'failed'; readonly call: number; readonly message: string }
