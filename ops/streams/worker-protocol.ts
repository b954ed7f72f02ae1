import type { MessagePort } from 'node:worker_threads'
import type { WireError } from '../../connectors/system/wire-error.ts'
import type { Metric } from '../../processor/metrics/meters.ts'
import type { CloseOptions } from '../../processor/streams.ts'
import type { StreamsConfig, StreamsHandlers } from '../../topology/streams-config.ts'
import type { PackedAnswer, PackedRequest, PackedRow } from './query-wire.ts'

/** What a worker is started with. */
export interface StreamWorkerData {
  readonly moduleUrl: string
  readonly threadName: string
  readonly settings: WorkerSettings
  /** Of the log, when the application started: what sources with patterns read. */
  readonly topics: readonly string[]
  readonly log: MessagePort
  /** Of the log's database. */
  readonly handle: bigint
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
  query(argument: {
    readonly store: string
    readonly request: PackedRequest
    readonly partitions: readonly number[] | null
  }): readonly { readonly partition: number; readonly answer: PackedAnswer }[]
  /** The next rows of an answer; fewer than a handful only at its end. */
  rows(answer: number): { readonly rows: readonly PackedRow[]; readonly isDone: boolean }
  leaveRows(answer: number): void
}

/** What the thread that has started a worker does for it. */
export interface StarterCalls {
  failed(error: WireError): void
  /** Answered in shared memory, since a thread asks in the middle of its work: see `decisions`. */
  decide(argument: { readonly error: WireError; readonly answer: Int32Array<SharedArrayBuffer> }): void
  /** The thread has ended because that was decided. */
  stopped(argument: null): void
  measured(metrics: readonly Metric[]): void
}

export const decisions = { none: 0, goOn: 1, stop: 2 } as const
