import type { ProcessorContext } from './processor-api.ts'
import type { Record, RecordMetadata } from './record.ts'
import type { WaggleError } from './waggle-error.ts'

/** Closes a batch at `size` rows, when its oldest row has waited `timeoutMs`, or (`idle`) as soon as the step is idle. */
export interface BatchPolicy {
  readonly size: number
  readonly timeoutMs: number
  readonly release: 'idle' | 'full'
}

export interface AsyncCall<K> extends Record<K, unknown> {
  readonly attempt: number
  /** The place that the record was read from. */
  readonly metadata: RecordMetadata
  /** Aborts when the call has outlived its `timeoutMs` or its task is gone. */
  readonly signal: AbortSignal
}

/** Times of one record's call, for headers, traces and metrics. Epoch milliseconds. */
export interface CallReport {
  readonly startedAt: number
  readonly finishedAt: number
  /** Rows in the batch that held the record's (first) row; 1 without a batch. */
  readonly batchSize: number
  readonly attempts: number
}

/** The slow part of an asynchronous node. One worker serves all tasks of a process that run the node. */
export interface AsyncWorker<K, V, R, W> {
  /** Splits a record into rows, each batched on its own. Without `split` a record is one row. */
  split?(value: V): readonly R[]
  /** Makes the record's result from its rows' results, in order. Required with `split`. */
  combine?(results: readonly W[]): W
  /** Returns one result or error for each row, in order. A rejection is the error of every row. */
  call(rows: readonly R[], calls: readonly AsyncCall<K>[]): Promise<readonly (W | WaggleError)[]>
  close?(): Promise<void>
}

export type Admission = 'call' | 'pass' | WaggleError

/** An asynchronous node and the limits that the engine runs it under. A node with state must not stand before it. */
export interface AsyncStep<K, V, R, W> {
  /** Makes the worker, once a process. The engine awaits it before the first record. */
  open(): Promise<AsyncWorker<K, V, R, W>>
  readonly batch: BatchPolicy | null
  /** The most calls in flight, for each task or for all tasks of a thread together, as `counts` says. */
  readonly concurrency: number
  /** `task`: each task counts its own calls and fills its own batches. `thread`: all tasks of a thread share the count and fill a batch together. */
  readonly counts: 'task' | 'thread'
  /**
   * The most records that wait here or are in flight, for each task or for all tasks of a thread together, as `counts` says. At the limit, a task
   * that has its fair share takes no more input.
   */
  readonly maxInFlight: number
  /** Limit of one call. Past it the call is aborted and its outcome is WAGGLE_TIMEOUT. */
  readonly timeoutMs: number
  /** `partition`: results are forwarded in the order of all records of a task. `key`: only records of one key keep their order. */
  readonly ordered: 'partition' | 'key'
  /** Bytes of memory that a value or a result takes, for nodes where it may exceed the input's size in the log. */
  bytesOf?(value: V | W): number
  readonly retries: number
  /**
   * Names a record, the same way each time it is read, so that a call which kills the process is recognised after the restart. Null for nodes whose
   * calls cannot kill the process, or may wait for others without limit.
   */
  readonly nameOf: ((record: Record<K, V>, metadata: RecordMetadata) => string) | null
  /**
   * Decides about a record when it arrives, and again when its batch is formed. `pass` forwards it without a call (an error record). An error ends it
   * here (its deadline has passed).
   */
  admit(record: Record<K, V>, nowMs: number): Admission
  /** Forwards the records that follow from an outcome. Runs in the task, in the order that `ordered` gives, with the input's record context. */
  forward(outcome: Outcome<W>, record: Record<K, V>, context: ProcessorContext<unknown, unknown>): void
}

export type Outcome<W> =
  | { readonly kind: 'result'; readonly result: W; readonly report: CallReport }
  | { readonly kind: 'error'; readonly error: WaggleError; readonly report: CallReport | null }
  | { readonly kind: 'passed' }
