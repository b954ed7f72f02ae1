import type { ServingTls } from '../../../topology/swarm/ports/model-servers.ts'
import type { RunTensor } from '../model-runtime.ts'
import type { ServerHosts } from './server-hosts.ts'
import type { ServingAddress } from './serving-address.ts'

/** The client of a TensorFlow Serving. There is one client for HTTP and one for gRPC. Every method throws a ServingFailure. */
export interface ServingClient {
  metadata(limit: CallLimit): Promise<ServedMetadata>
  /** `outputs` are the outputs that the caller needs. The server may return more outputs. */
  predict(inputs: NamedTensors, outputs: readonly ExpectedOutput[], limit: CallLimit): Promise<NamedTensors>
  close(): void
}

export interface ServingClientOptions {
  readonly address: ServingAddress
  readonly signature: string
  readonly tls: ServingTls
  readonly hosts: ServerHosts
  readonly connectMs: number
  readonly after: (delayMs: number, callback: () => void) => () => void
}

/** The limits of one call, and the trace that it belongs to. */
export interface CallLimit {
  readonly signal: AbortSignal
  /** The deadline in epoch milliseconds; null if there is none. */
  readonly deadline: number | null
  /** The headers with which the server continues the trace of a request. */
  readonly trace: { readonly [header: string]: string }
}

export interface NamedTensors {
  readonly [name: string]: RunTensor
}

export interface ExpectedOutput {
  readonly name: string
  readonly datatype: RunTensor['datatype']
  readonly shape: readonly number[]
}

/** A model’s metadata: the response of `/metadata` or GetModelMetadata. */
export interface ServedMetadata {
  readonly version: string | null
  readonly signatures: ReadonlyMap<string, ServedSignature>
}

export interface ServedSignature {
  readonly inputs: readonly ServedTensor[]
  readonly outputs: readonly ServedTensor[]
}

export interface ServedTensor {
  readonly name: string
  /** TensorFlow’s name of the datatype, such as `DT_FLOAT`. */
  readonly type: string
  /** Sizes, with -1 for a free dimension; null for a tensor of unknown rank. */
  readonly shape: readonly number[] | null
}

/** The size limit of a response, in bytes. A larger response is a failure. */
export const maxAnswerBytes = 64 * 1024 * 1024

/**
 * The most values in a response that may be short on the wire: numbers in JSON, or integers and strings over gRPC. The limit is the number of pixels
 * in 16 masks of 512 × 512. So many values take some 300 MB for a moment.
 */
export const maxAnswerValues = 4_194_304

/** The most bytes of tensors in one call. Larger batches are sent as several calls. */
export const maxCallBytes = 32 * 1024 * 1024
