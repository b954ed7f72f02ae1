import type { RecordMetadata } from '../../record.ts'
import type { CarriedTrace, TraceContext } from '../request/trace-context.ts'

/** Records the spans of requests. A process without a collector has no `Tracing`, and records no spans. */
export interface Tracing {
  /** Begins the span of a request at a gateway. The returned context goes with the request. */
  begin(request: TracedRequest): { readonly context: TraceContext; end(status: number): void }
  /** Begins the trace of a record that came to a gateway's topic without a trace. */
  accepted(record: AcceptedRecord): TraceContext
  /** Records a call of a bee, with a span for each of its requests. */
  called(call: TracedCall): void
}

export interface TracedRequest extends CarriedTrace {
  readonly gateway: string
  readonly call: 'request' | 'submit'
  readonly id: string
  /** The path of an HTTP request; null for gRPC. */
  readonly path: string | null
}

export interface AcceptedRecord {
  readonly gateway: string
  readonly id: string
  readonly place: RecordMetadata | null
  /** Epoch milliseconds. */
  readonly at: number
}

export interface TracedCall {
  readonly swarm: string
  readonly bee: string
  readonly type: string
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly finishedAt: number
  /** The number of all rows of the call, including rows without a recorded trace. */
  readonly rows: number
  /** True if the call has failed as a whole, and its rows are tried again one by one. */
  readonly isRepeated: boolean
  readonly spans: readonly CallSpan[]
}

/** The part of a call that belongs to one request. */
export interface CallSpan {
  readonly context: TraceContext
  readonly parentSpanId: string
  readonly requestId: string
  readonly attempt: number
  readonly place: RecordMetadata | null
  /** The code and the message of its error; null if it has a result. */
  readonly error: { readonly code: string; readonly message: string } | null
}
