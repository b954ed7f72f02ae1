import type { ProcessorContext } from './processor-api.ts'
import type { Record, RecordMetadata } from './record.ts'
import type { WaggleError } from './waggle-error.ts'

/** When a batch closes: at `size` rows, when its oldest row has waited `timeoutMs`, or (`idle`) as soon as the step is idle. */
export interface BatchPolicy {
  readonly size: number
  readonly timeoutMs: number
  readonly release: 'idle' | 'full'
}

export interface AsyncCall<K> extends Record<K, unknown> {
  readonly attempt: number
  /** Where the record was read. */
  readonly metadata: RecordMetadata
  /** Aborted when the call has outlived its `timeoutMs` or its task is gone. */
  readonly signal: AbortSignal
}

/** How a record's call went, for headers, traces and metrics. Epoch milliseconds. */
export interface CallReport {
  readonly startedAt: number
  readonly finishedAt: number
  /** Rows in the batch that the record's (first) row was part of; 1 without a batch. */
  readonly batchSize: number
  readonly attempts: number
}

/** The thing that takes time: one a process, shared by all tasks that run its node. */
export interface AsyncWorker<K, V, R, W> {
  /** The rows of one record, each batched for itself. Without it a record is one row. */
  split?(value: V): readonly R[]
  /** The record's result from its rows' results, in order. Required with `split`. */
  combine?(results: readonly W[]): W
  /** One result or error a row, in order. A rejection is every row's error. */
  call(rows: readonly R[], calls: readonly AsyncCall<K>[]): Promise<readonly (W | WaggleError)[]>
  close?(): Promise<void>
}

export type Admission = 'call' | 'pass' | WaggleError

/** An asynchronous node: what it does, and how the engine may drive it. No node with state may stand before one. */
export interface AsyncStep<K, V, R, W> {
  /** Awaited before the first record; made once a process. */
  open(): Promise<AsyncWorker<K, V, R, W>>
  readonly batch: BatchPolicy | null
  /** Calls in flight: of each task, or of all tasks of the thread together, as `counts` says. */
  readonly concurrency: number
  /** `task`: calls are counted, and batches filled, for each task by itself. `thread`: a batch is filled from all of its tasks. */
  readonly counts: 'task' | 'thread'
  /**
   * Records that may wait here or be in flight, in each task or in all tasks of the thread together, as `counts` says; past it a task
   * that has its fair part takes no more input.
   */
  readonly maxInFlight: number
  /** One call's limit; past it the call is aborted and the outcome is WAGGLE_TIMEOUT. */
  readonly timeoutMs: number
  /** Results go on in the order of all records of a task, or only of those with the same key. */
  readonly ordered: 'partition' | 'key'
  /** Bytes of memory that a value or a result takes, where it may take more than its input had in the log. */
  bytesOf?(value: V | W): number
  readonly retries: number
  /**
   * What a record is called across a death of the process, the same each time it is read: a call that ends the process is
   * known by it. Null where calls cannot end it, or wait for others for as long as it takes.
   */
  readonly nameOf: ((record: Record<K, V>, metadata: RecordMetadata) => string) | null
  /**
   * Asked when a record arrives and again when its batch is formed: `pass` sends it on uncalled (an error record), an error
   * ends it here (its deadline has passed).
   */
  admit(record: Record<K, V>, nowMs: number): Admission
  /** Runs in the task, in the order that `ordered` says, with the input's record context: forwards what follows from the outcome. */
  forward(outcome: Outcome<W>, record: Record<K, V>, context: ProcessorContext<unknown, unknown>): void
}

export type Outcome<W> =
  | { readonly kind: 'result'; readonly result: W; readonly report: CallReport }
  | { readonly kind: 'error'; readonly error: WaggleError; readonly report: CallReport | null }
  | { readonly kind: 'passed' }
