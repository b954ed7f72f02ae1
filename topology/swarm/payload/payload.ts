/**
 * A value in a swarm. A payload never changes. On a topic the header `content-type` tells its kind; within a process the object itself is passed on.
 * A payload can always be written, and reading it gives the same payload: `payloadOf` (bees/hosting/payload-input.ts) and `payloadOfBytes`
 * (payload-serde.ts) check this.
 */
export type Payload = JsonPayload | BytesPayload | TensorsPayload | JoinedPayload | ErrorPayload | ClaimPayload

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

/** The output of a join: the payload of each input by bee, in the order of the inputs. */
export interface JoinedPayload {
  readonly kind: 'joined'
  readonly parts: ReadonlyMap<string, Payload>
}

/** An error instead of a value. An error is passed on like a value, so that a join still completes. */
export interface ErrorPayload {
  readonly kind: 'error'
  readonly error: BeeError
}

/** A payload that is too large for the log. A claim store keeps its bytes, and the bee that reads it fetches them. */
export interface ClaimPayload {
  readonly kind: 'claim'
  readonly claim: Claim
}

/** The claim check of a payload: where its bytes are, and how they are recognised. */
export interface Claim {
  /** The name of the claim store, which tells stores apart. It is no address: a reader asks only its own store. */
  readonly store: string
  /** The name of the object in the store (`claimKey`). */
  readonly key: string
  /** SHA-256 of the bytes, in hexadecimal. */
  readonly sha256: string
  readonly bytes: number
  /** The content type of the bytes. */
  readonly contentType: string
  /** The time from which on the object may be deleted, in epoch ms. */
  readonly expiresAt: number
}

export interface BeeError {
  /** A code of the error table, perhaps from another version of Waggle. */
  readonly code: string
  /** The HTTP status for the caller: 422 refused, 502 failed, 504 deadline. */
  readonly status: number
  readonly title: string
  readonly detail: string
  /** The bee that failed. */
  readonly bee: string
}

/** Names of the Open Inference Protocol v2. */
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

/** Values in row-major order. A picture is UINT8 of shape [height, width, 3], RGB. */
export interface Tensor {
  readonly datatype: Datatype
  readonly shape: readonly number[]
  readonly data: TensorData
}
