import type { Change } from '../../topology/operators/streams.ts'
import type { ProcessorContext } from '../../topology/processor-api.ts'
import type { Header, Record, RecordMetadata } from '../../topology/record.ts'
import type { BufferMeters, NodeMeters } from '../metrics/task-meters.ts'
import type { KeptNumber, Worth } from '../state/task-memory.ts'

/** The context of the engine's own operators, which extends the context of a user's processors. */
export interface OperatorContext extends ProcessorContext<unknown, unknown> {
  /** A number of this node that is kept with the task's position; `needed` by default. */
  kept(name: string, worth?: Worth): KeptNumber
  /** The receiver of updates of a table that this node keeps. It forwards them at once, or holds them back in a cache. */
  updates(store: string | null, sendsOld: () => boolean): TableUpdates
  /** A value that several nodes of a task share. `owner` identifies it. */
  shared<T>(owner: object, make: () => T): T
  /** The shortest time between two searches for closed windows, in ms; 0: with each record. */
  readonly emitIntervalMs: number
  /** Forwards a record in the context of the record that was read at this place. */
  forwardFrom(metadata: RecordMetadata, record: Record<unknown, unknown>): void
  /** Counts a record that the operator drops. */
  drop(): void
  readonly meters: NodeMeters
  bufferMeters(store: string): BufferMeters
}

/** One update of a table, on its way to the next steps. */
export interface TableUpdate {
  readonly key: unknown
  readonly change: Change<unknown>
  readonly timestamp: number
  /** The time of the update where it leaves a cache as a deletion of the row. */
  readonly removedAt: number
  readonly headers: readonly Header[]
  /** The table's earlier value, also where old values are not forwarded; null where there was none. */
  readonly before: unknown
}

export interface TableUpdates {
  /** True where a cache holds updates back. Every update then needs `before`, even if old values are not forwarded. */
  readonly areHeldBack: boolean
  send(update: TableUpdate): void
}
