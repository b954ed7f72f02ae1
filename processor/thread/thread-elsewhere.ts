import type { QueryRequest } from '../../topology/queries.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { Metric } from '../metrics/meters.ts'
import type { ThreadState } from './stream-thread.ts'

/** A stream thread in another JavaScript thread, which shares the application's tasks with the others through the log. */
export interface ThreadElsewhere {
  readonly name: string
  readonly state: ThreadState
  /** As it told last. */
  readonly metrics: readonly Metric[]
  pause(): void
  resume(): void
  /** Settles when it takes part. */
  start(): Promise<void>
  /** Commits what is done. With `close` it first finishes what it has in hand, as `Application.close` says. */
  stop(close?: { readonly timeoutMs: number; readonly waitsForCalls?: boolean }): Promise<void>
  /** Which process has that partition of a store, as it was told last; null where it does not know. */
  hostOf(store: string, partition: number): Promise<string | null>
  /** Of the partitions that it has now. */
  query(store: string, request: QueryRequest, partitions: readonly number[] | null): Promise<ReadonlyMap<number, unknown>>
}

/** What a thread elsewhere tells and asks, as one in this thread does. */
export interface ThreadElsewhereOptions {
  readonly name: string
  readonly onFailure: (error: WaggleError) => void
  readonly decide: (error: WaggleError) => 'goOn' | 'stop'
  readonly onStopped: () => void
}
