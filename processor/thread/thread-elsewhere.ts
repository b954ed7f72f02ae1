import type { StoreQuestion } from '../../topology/queries.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { TaskHost } from '../assignment/task-hosts.ts'
import type { Metric } from '../metrics/meters.ts'
import type { StoreLag } from '../state/task-states.ts'
import type { DecideFailure } from './failure-decision.ts'
import type { ThreadState } from './stream-thread.ts'

/** A stream thread in another JavaScript thread. The thread shares the application's tasks with the other threads through the log. */
export interface ThreadElsewhere {
  readonly name: string
  readonly state: ThreadState
  /** The metrics in the thread's last message. */
  readonly metrics: readonly Metric[]
  pause(): void
  resume(): void
  /** Settles when the thread takes part in the application. */
  start(): Promise<void>
  /** Commits finished work. With `close` the thread first finishes the records in progress, like `Application.close`. */
  stop(close?: { readonly timeoutMs: number; readonly waitsForCalls?: boolean }): Promise<void>
  /** The processes that have this partition of a store, according to the last assignment. */
  hostsOf(store: string, partition: number): Promise<TaskHost>
  /** Answers a question for the partitions that the thread has now. */
  query(question: StoreQuestion): Promise<ReadonlyMap<number, unknown>>
  lags(): Promise<readonly StoreLag[]>
}

/** The callbacks of a thread elsewhere. The callbacks are the same as those of a thread in this JavaScript thread. */
export interface ThreadElsewhereOptions {
  readonly name: string
  readonly onFailure: (error: WaggleError) => void
  readonly decide: DecideFailure
  readonly onStopped: () => void
}
