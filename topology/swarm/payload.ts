/**
 * What travels in a swarm. On a topic the header `content-type` says which it is; in one process it is handed on as this. A payload can always be written, and is
 * the same when it is read again: `payloadOf` (bees/payload-input.ts) and `payloadOfBytes` (payload-serde.ts) check it where it is made. Nobody changes it.
 */
export type Payload = JsonPayload | BytesPayload | TensorsPayload | JoinedPayload | ErrorPayload

export interface JsonPayload {
  readonly kind: 'json'
  readonly json: unknown
}

export interface BytesPayload {
  readonly kind: 'bytes'
  readonly bytes: Uint8Array
  readonly contentType: string
}

export interface TensorsPayload {
  readonly kind: 'tensors'
  readonly tensors: { readonly [name: string]: Tensor }
}

/** What a join sends on: each input's payload by bee, in the order of the inputs. */
export interface JoinedPayload {
  readonly kind: 'joined'
  readonly parts: ReadonlyMap<string, Payload>
}

/** An error record: travels on instead of the value, so that a join still completes. */
export interface ErrorPayload {
  readonly kind: 'error'
  readonly error: BeeError
}

export interface BeeError {
  readonly code: `WAGGLE_${string}`
  /** The HTTP status that the caller gets: 422 refused, 502 failed, 504 deadline. */
  readonly status: number
  readonly title: string
  readonly detail: string
  /** Where it happened. */
  readonly bee: string
}

/** Names as in the Open Inference Protocol v2. */
export type Datatype = 'BOOL' | 'UINT8' | 'UINT16' | 'UINT32' | 'UINT64' | 'INT8' | 'INT16' | 'INT32' | 'INT64' | 'FP32' | 'FP64'

export type TensorData =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array

/** Row-major. A picture is UINT8 of shape [height, width, 3], RGB. */
export interface Tensor {
  readonly datatype: Datatype
  readonly shape: readonly number[]
  readonly data: TensorData
}
