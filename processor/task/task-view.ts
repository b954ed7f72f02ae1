import type { RecordMetadata } from '../../topology/record.ts'
import type { TaskMeters } from '../metrics/task-meters.ts'
import type { Clock } from '../ports.ts'
import type { TaskMemory } from '../state/task-memory.ts'
import type { TaskFailures } from './failures.ts'
import type { Punctuations } from './punctuations.ts'
import type { TableCache } from './table-cache.ts'

/** The part of a task that its nodes see. */
export interface TaskView {
  readonly applicationId: string
  readonly id: string
  readonly clock: Clock
  readonly punctuations: Punctuations
  readonly streamTime: number
  /** True while the current record is read again for asynchronous nodes only. */
  readonly isReplay: boolean
  /** Metadata of the current record; null in a punctuation. */
  readonly metadata: RecordMetadata | null
  readonly failures: TaskFailures
  readonly memory: TaskMemory
  readonly meters: TaskMeters
  readonly emitIntervalMs: number
  shared<T>(owner: object, make: () => T): T
  /** The cache of a table; null if its updates are forwarded at once. */
  tableCache(store: string): TableCache | null
  requestCommit(): void
  /** Calls `act` in the context of the record with this metadata. */
  inContextOf(metadata: RecordMetadata, act: () => void): void
}
