import type { MessagePort } from 'node:worker_threads'
import type { WireError } from '../../connectors/system/wire-error.ts'
import type { CloseOptions } from '../../processor/application/options.ts'
import type { WireRequest, WireRow } from '../../processor/application/query-wire.ts'
import type { TaskHost } from '../../processor/assignment/task-hosts.ts'
import type { Metric } from '../../processor/metrics/meters.ts'
import type { StoreLag } from '../../processor/state/task-states.ts'
import type { FailureDecision } from '../../processor/thread/failure-decision.ts'
import type { StoreQuestion } from '../../topology/queries.ts'
import type { StreamsConfig, StreamsHandlers } from '../../topology/streams-config.ts'

export interface StreamWorkerData {
  readonly moduleUrl: string
  readonly threadName: string
  readonly settings: WorkerSettings
  /** Topics of the log when the application started. Sources with patterns choose from them. */
  readonly topics: readonly string[]
  /** Log and database of the thread that has started the worker. Null: the worker opens the log of its settings itself. */
  readonly lent: { readonly log: MessagePort; readonly handle: bigint } | null
  /** The address of this process for interactive queries, `host:port`; null if it answers none. */
  readonly host: string | null
  /** True if the worker must ask the starting thread for Kafka tokens, because functions cannot be sent to it. */
  readonly asksForTokens: boolean
}

/** A configuration without its functions, which the worker takes from the module. */
export type WorkerSettings = Omit<StreamsConfig, keyof StreamsHandlers | 'uncaughtExceptionHandler' | 'module'>

/** Calls that the starting thread makes to a worker. */
export interface WorkerCalls {
  start(options: { readonly isPaused: boolean }): void
  pause(argument: null): void
  resume(argument: null): void
  /** Stops the worker. Null: its thread is removed, and records in hand are not awaited. */
  stop(close: CloseOptions | null): void
  /** The hosts of a store's partition, by the last assignment of the worker's group. */
  hosts(argument: { readonly store: string; readonly partition: number }): TaskHost
  query(question: Omit<StoreQuestion, 'request'> & { readonly request: WireRequest }): readonly NumberedAnswer[]
  lags(argument: null): readonly StoreLag[]
  rows(answer: number): SomeRows
  leaveRows(answer: number): void
}

export interface SomeRows {
  readonly rows: readonly WireRow[]
  readonly isDone: boolean
}

/** An answer whose rows are fetched in parts, by its number. */
export interface NumberedAnswer {
  readonly partition: number
  readonly number: number
  /** All rows of a short answer; null for a long one. */
  readonly whole: SomeRows | null
}

/** Calls that a worker makes to the thread that has started it. */
export interface StarterCalls {
  failed(error: WireError): void
  /** A handler goes on after this failure. */
  resumed(error: WireError): void
  /** Asks for a decision. The worker blocks in the middle of its work, so the result goes into shared memory (see `decisions`). */
  decide(argument: { readonly error: WireError; readonly answer: Int32Array<SharedArrayBuffer> }): void
  token(argument: null): string
  /** The worker's thread has ended because of such a decision. */
  stopped(argument: null): void
  measured(metrics: readonly Metric[]): void
}

/** A decision as a number in shared memory. `none`: the starting thread has not decided yet. */
export const decisions = { none: 0, goOn: 1, stop: 2 } as const satisfies { readonly [Decision in FailureDecision | 'none']: number }
