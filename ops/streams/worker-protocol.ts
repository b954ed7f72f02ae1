import type { MessagePort } from 'node:worker_threads'
import type { WireError } from '../../connectors/system/wire-error.ts'
import type { CloseOptions } from '../../processor/application/options.ts'
import type { WireRequest, WireRow } from '../../processor/application/query-wire.ts'
import type { Metric } from '../../processor/metrics/meters.ts'
import type { StreamsConfig, StreamsHandlers } from '../../topology/streams-config.ts'

/** What a worker is started with. */
export interface StreamWorkerData {
  readonly moduleUrl: string
  readonly threadName: string
  readonly settings: WorkerSettings
  /** Of the log, when the application started: what sources with patterns read. */
  readonly topics: readonly string[]
  /** The log of the thread that has started it, and its database; null: it opens the log of its settings for itself. */
  readonly lent: { readonly log: MessagePort; readonly handle: bigint } | null
  /** Where its process answers interactive queries, `host:port`. */
  readonly host: string | null
  /** Its settings lack a function that gives tokens for Kafka: the thread that has started it has it. */
  readonly asksForTokens: boolean
}

/** A configuration without its functions, which the worker takes from the module. */
export type WorkerSettings = Omit<StreamsConfig, keyof StreamsHandlers | 'uncaughtExceptionHandler' | 'module'>

/** What the worker does for the thread that has started it. */
export interface WorkerCalls {
  start(options: { readonly isPaused: boolean }): void
  pause(argument: null): void
  resume(argument: null): void
  /** Null: the thread is removed, and nothing that it has in hand is waited for. */
  stop(close: CloseOptions | null): void
  /** Which process has that partition of a store, as its group was told last. */
  host(argument: { readonly store: string; readonly partition: number }): string | null
  query(argument: { readonly store: string; readonly request: WireRequest; readonly partitions: readonly number[] | null }): readonly NumberedAnswer[]
  /** The next rows of an answer. */
  rows(answer: number): SomeRows
  leaveRows(answer: number): void
}

export interface SomeRows {
  readonly rows: readonly WireRow[]
  readonly isDone: boolean
}

/** An answer that is asked for by and by, under its number. */
export interface NumberedAnswer {
  readonly partition: number
  readonly number: number
  /** Where it is short: all of it. */
  readonly whole: SomeRows | null
}

/** What the thread that has started a worker does for it. */
export interface StarterCalls {
  failed(error: WireError): void
  /** Answered in shared memory, since a thread asks in the middle of its work: see `decisions`. */
  decide(argument: { readonly error: WireError; readonly answer: Int32Array<SharedArrayBuffer> }): void
  token(argument: null): string
  /** The thread has ended because that was decided. */
  stopped(argument: null): void
  measured(metrics: readonly Metric[]): void
}

export const decisions = { none: 0, goOn: 1, stop: 2 } as const
