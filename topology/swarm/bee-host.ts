import type { AsyncWorker, BatchPolicy } from '../async-step.ts'
import type { Header, RecordMetadata } from '../record.ts'
import type { KStream } from '../streams/kstream.ts'
import type { StreamsBuilder } from '../streams/streams-builder.ts'
import type { SwarmBee } from './checked-swarm.ts'
import type { Payload } from './payload/payload.ts'
import type { BeeResult } from './request/answered.ts'

/** The result of a synchronous bee. */
export interface BeeValue {
  readonly payload: Payload
  /** The readers that the bee chose; null if all readers get the value. */
  readonly readers: readonly string[] | null
}

/** Runs the bees of a swarm. The graph of steps only says how the bees are connected. */
export interface BeeHost {
  /** Opens an asynchronous bee (role `call` or `sink`), once in a process. A row is a payload. A call has at most `batchSize` rows. */
  open(bee: SwarmBee, batchSize: number): Promise<AsyncWorker<string, Payload, Payload, BeeResult>>
  /** The number of replicas of a bee now. The replicas compute side by side. Default: the number in the swarm file. */
  replicasOf?(bee: SwarmBee): number
  /** Computes the result of a synchronous bee (role `value` or `loop`), without waiting. Throws if the bee has no result. */
  valueOf(
    bee: SwarmBee,
  ): (input: Payload, request: { readonly id: string; readonly headers: readonly Header[]; readonly place: RecordMetadata | null }) => BeeValue
  /** A bee of role `stream`. Throws WAGGLE_INVALID_BEE if the bee has no function `connect`. */
  streamOf(bee: SwarmBee): StreamBee
  /** True if calls are recorded as spans. Then the output of a call has the call's span as its `traceparent`. */
  readonly recordsSpans?: boolean
  /** The batch policy of a bee of role `batch`, or of a bee that batches by itself (a sink); null for any other bee. */
  batchOf(bee: SwarmBee): BatchPolicy | null
}

/** A bee that is written with the DSL: its steps, and the conversions of its inputs and results. */
export interface StreamBee {
  /** Adds the bee's steps behind a stream of inputs by request id. Returns the stream of results by request id; null for a bee without results. */
  connect(input: KStream<string, unknown>, builder: StreamsBuilder): KStream<string, unknown> | null
  inputOf(payload: Payload): unknown
  /** Throws WAGGLE_BEE_OUTPUT for a result that cannot be passed on. */
  payloadOf(output: unknown): Payload
}
