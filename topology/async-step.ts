import type { ProcessorContext } from './processor-api.ts'
import type { Record, RecordMetadata } from './record.ts'
import type { WaggleError } from './waggle-error.ts'

/** A batch is closed when it has `size` rows, when its oldest row has waited `timeoutMs`, or, if `release` is `idle`, as soon as the step is idle. */
export interface BatchPolicy {
  readonly size: number
  readonly timeoutMs: number
  readonly release: 'idle' | 'full'
  /** The longest time that a call should take. If earlier calls show that a batch of `size` rows would take longer, batches are smaller. */
  readonly targetMs?: number
}

/**
 * The reason why a batch was sent. `full`: the batch was full. `timeout`: its oldest row had waited long enough. `deadline`: a row's deadline came
 * near. `idle`: a worker was free. `alone`: the row gets a call of its own.
 */
export type SendReason = 'full' | 'timeout' | 'deadline' | 'idle' | 'alone'

export interface AsyncCall<K> extends Record<K, unknown> {
  readonly attempt: number
  /** The topic, partition and offset of the input record. */
  readonly metadata: RecordMetadata
  /** Aborts when the call has taken longer than `timeoutMs`, or when its task is gone. */
  readonly signal: AbortSignal
}

/** Times of one record's call, for headers, traces and metrics. Epoch milliseconds. */
export interface CallReport {
  readonly startedAt: number
  readonly finishedAt: number
  /** The number of rows in the batch of the record's first row; 1 without a batch. */
  readonly batchSize: number
  readonly reason: SendReason
  readonly attempts: number
}

/** The slow part of an asynchronous node. One worker serves all tasks of a process that run the node. */
export interface AsyncWorker<K, V, R, W> {
  /** Splits a record into rows, each of which is batched separately. Without `split` a record is one row. */
  split?(value: V): readonly R[]
  /** Makes the record's result from the results of its rows, in order. Required with `split`. */
  combine?(results: readonly W[]): W
  /** Returns one result or error for each row, in order. A rejection is the error of every row. */
  call(rows: readonly R[], calls: readonly AsyncCall<K>[]): Promise<readonly (W | WaggleError)[]>
  close?(): Promise<void>
}

export type Admission = 'call' | 'pass' | WaggleError

/** An asynchronous node, and the limits under which the engine runs it. No node with state may stand before an asynchronous node. */
export interface AsyncStep<K, V, R, W> {
  /** Makes the worker, once in a process. The engine awaits the worker before the first record. */
  open(): Promise<AsyncWorker<K, V, R, W>>
  readonly batch: BatchPolicy | null
  /** The most calls in flight. The number may change while the step runs. `counts` says whether the limit is for each task or for a whole thread. */
  readonly concurrency: number
  /**
   * The number of calls that the worker computes side by side. The number may change while the step runs. With fewer calls in flight the step counts
   * as idle. Default: 1.
   */
  readonly workers?: number
  /** `task`: each task counts its own calls and fills its own batches. `thread`: all tasks of a thread share the count and the batches. */
  readonly counts: 'task' | 'thread'
  /**
   * The most records that wait in this step or are in flight. `counts` says whether the limit is for each task or for a whole thread. At the limit, a
   * task that has its fair share takes no more input.
   */
  readonly maxInFlight: number
  /** The time limit of one call. A call that takes longer is aborted, and its outcome is WAGGLE_TIMEOUT. */
  readonly timeoutMs: number
  /** `partition`: results are forwarded in the order of all records of a task. `key`: only records of the same key keep their order. */
  readonly ordered: 'partition' | 'key'
  /** The memory of a value or a result, in bytes. Needed only if it may exceed the input's size in the log. */
  bytesOf?(value: V | W): number
  /**
   * The number of further calls for a row whose call failed. Each of them has this row alone. A refused row (`Refused`) gets no further call. If a call
   * with several rows fails, and not because of its time limit, each row is first called alone, which does not count.
   */
  readonly retries: number
  /**
   * Returns a name for a record. The name is the same each time the record is read. If a call kills the process, the names of its records are still
   * known after the restart. Null if the node's calls cannot kill the process, or may wait for other calls without limit.
   */
  readonly nameOf: ((record: Record<K, V>, metadata: RecordMetadata) => string) | null
  /**
   * Decides about a record when it arrives, and again when its batch is formed. `pass` forwards the record without a call, for example an error
   * record. An error becomes the outcome of the record without a call, for example if its deadline has passed.
   */
  admit(record: Record<K, V>, nowMs: number): Admission
  /** The refusal of a record that repeats an earlier record with its key. Default: records with the same key are called side by side. */
  readonly repeats?: Repeats<K, V>
  /**
   * The time (epoch milliseconds) after which nobody needs the result of a record. A batch is sent early to meet this time. Null: the record has no
   * deadline.
   */
  deadlineOf?(record: Record<K, V>): number | null
  /**
   * Forwards the records that follow from an outcome. The function runs in the task and in the context of the input record, in the order that
   * `ordered` gives.
   */
  forward(outcome: Outcome<W>, record: Record<K, V>, context: ProcessorContext<unknown, unknown>): void
}

/**
 * Refuses records that repeat an earlier record. If the earlier record is under way, in this node or in a later asynchronous node with this property,
 * the last such node holds the repeat back until the earlier outcome was forwarded. A node in front of it keeps the order of all records. It refuses
 * the repeat at once, because a record that waits there would hold up all others.
 */
export interface Repeats<K, V> {
  /**
   * True if an earlier record with the key was forwarded. `read` gives the value of a key in a key-value store that was connected to the node, or null.
   * There is no way to write: state may not lie before an asynchronous node, because a record that is read again would change it twice.
   */
  isRepeat(record: Record<K, V>, read: (store: string, key: unknown) => unknown): boolean
  /** The error that becomes the outcome of a repeat. */
  refusal(): WaggleError
}

export type Outcome<W> =
  | { readonly kind: 'result'; readonly result: W; readonly report: CallReport }
  | { readonly kind: 'error'; readonly error: WaggleError; readonly report: CallReport | null }
  | { readonly kind: 'passed' }
