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
  /** The topics of the log when the application started. Sources with patterns choose among these topics. */
  readonly topics: readonly string[]
  /** The log and the database of the thread that started the worker; null if the worker opens the log of its settings itself. */
  readonly lent: { readonly log: MessagePort; readonly handle: bigint } | null
  /** The address of this process for interactive queries, `host:port`; null if the process does not answer queries. */
  readonly host: string | null
  /** True if the worker must ask the starting thread for Kafka tokens, because functions cannot be sent to it. */
  readonly asksForTokens: boolean
}

/** A configuration without its functions. The worker takes the functions from the module. */
export type WorkerSettings = Omit<StreamsConfig, keyof StreamsHandlers | 'uncaughtExceptionHandler' | 'module'>

/** Calls that the starting thread makes to a worker. */
export interface WorkerCalls {
  start(options: { readonly isPaused: boolean }): void
  pause(argument: null): void
  resume(argument: null): void
  /** Stops the worker. If `close` is null, the thread is removed without processing its remaining records. */
  stop(close: CloseOptions | null): void
  /** The hosts of a store's partition in the last assignment of the worker's group. */
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

/** An answer to a query. Its rows are fetched in parts with `number`. */
export interface NumberedAnswer {
  readonly partition: number
  readonly number: number
  /** All rows of a short answer; null for a long answer. */
  readonly whole: SomeRows | null
}

/** Calls that a worker makes to the thread that has started it. */
export interface StarterCalls {
  failed(error: WireError): void
  /** Reports a failure after which a handler continues. */
  resumed(error: WireError): void
  /** Asks for a decision. The worker is blocked and cannot receive a message, so the decision is written into shared memory (see `decisions`). */
  decide(argument: { readonly error: WireError; readonly answer: Int32Array<SharedArrayBuffer> }): void
  token(argument: null): string
  /** Reports that the worker's thread has ended after the decision to stop. */
  stopped(argument: null): void
  measured(metrics: readonly Metric[]): void
}

/** A decision as a number in shared memory. `none` means that the starting thread has not decided yet. */
export const decisions = { none: 0, goOn: 1, stop: 2 } as const satisfies { readonly [Decision in FailureDecision | 'none']: number }
