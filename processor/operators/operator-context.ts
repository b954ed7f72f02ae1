import type { Change } from '../../topology/operators/streams-operators.ts'
import type { ProcessorContext } from '../../topology/processor-api.ts'
import type { Header, Record, RecordMetadata } from '../../topology/record.ts'
import type { BufferMeters, NodeMeters } from '../metrics/task-meters.ts'
import type { KeptNumber, Worth } from '../state/task-memory.ts'

/** The context of the engine's own operators. This context extends the context of users' processors. */
export interface OperatorContext extends ProcessorContext<unknown, unknown> {
  /** A number of this node that is stored with the task's position. `worth` is `needed` by default. */
  kept(name: string, worth?: Worth): KeptNumber
  /** The receiver of updates of a table that this node keeps. The receiver forwards the updates at once, or holds them back in a cache. */
  updates(store: string | null, sendsOld: () => boolean): TableUpdates
  /** A value that several nodes of a task share. `owner` identifies it. */
  shared<T>(owner: object, make: () => T): T
  /** The shortest time between two searches for closed windows, in ms. With 0, each record starts a search. */
  readonly emitIntervalMs: number
  /** Forwards a record as if it came from the input record with this metadata. */
  forwardFrom(metadata: RecordMetadata, record: Record<unknown, unknown>): void
  drop(): void
  readonly meters: NodeMeters
  bufferMeters(store: string): BufferMeters
}

/** One update of a table, on its way to the next steps. */
export interface TableUpdate {
  readonly key: unknown
  readonly change: Change<unknown>
  readonly timestamp: number
  /**
   * The timestamp of the record that deleted the row. A deletion that goes through a cache is forwarded with `removedAt`. Every other update is
   * forwarded with `timestamp`.
   */
  readonly removedAt: number
  readonly headers: readonly Header[]
  /** The table's earlier value, even if old values are not forwarded; null if there is none. */
  readonly before: unknown
}

export interface TableUpdates {
  /** True if a cache holds updates back. Then every update needs `before`, even if old values are not forwarded. */
  readonly areHeldBack: boolean
  send(update: TableUpdate): void
}
