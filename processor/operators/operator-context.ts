import type { ProcessorContext } from '../../topology/processor-api.ts'
import type { Record, RecordMetadata } from '../../topology/record.ts'
import type { BufferMeters, NodeMeters } from '../metrics/task-meters.ts'
import type { KeptNumber, Worth } from '../state/task-memory.ts'
import type { TableUpdate } from '../task/table-cache.ts'

/** What the engine's own operators have beyond a user's processors. */
export interface OperatorContext extends ProcessorContext<unknown, unknown> {
  /** A number of this node's own that is kept with the task's position; `needed` unless told. */
  kept(name: string, worth?: Worth): KeptNumber
  /** How the updates of a table that this node keeps go on: at once, or held back in a cache. */
  updates(store: string | null, sendsOld: () => boolean): TableUpdates
  /** One thing for several nodes of a task; `owner` says which. */
  shared<T>(owner: object, make: () => T): T
  /** How often, at most, closed windows are looked for; 0: with each record. */
  readonly emitIntervalMs: number
  /** As `forward`, as if the record read at this place were in hand. */
  forwardFrom(metadata: RecordMetadata, record: Record<unknown, unknown>): void
  /** Counts a record that is not for its operator. */
  drop(): void
  readonly meters: NodeMeters
  bufferMeters(store: string): BufferMeters
}

export interface TableUpdates {
  /** Then `before` is asked for with every update, whether old values are sent or not. */
  readonly areHeldBack: boolean
  send(update: TableUpdate): void
}
