import type { AsyncNode } from '../../topology/graph.ts'
import type { RowBatcher } from '../async/row-batcher.ts'
import type { WaitingShare } from '../async/waiting-limit.ts'
import type { Clock, ProducerRecord } from '../ports.ts'
import type { FailurePolicy } from './failures.ts'
import type { RefusedInputs } from './refused-inputs.ts'
import type { CacheBudget } from './table-cache.ts'

/** Services that a task needs from its thread. */
export interface TaskSurroundings {
  readonly applicationId: string
  readonly clock: Clock
  /** True if values may be handed to readers in memory instead of being serialised at the sink. */
  readonly handsOn: boolean
  readonly failures: FailurePolicy
  readonly refused: RefusedInputs
  /** The shortest time between two searches for closed windows, in ms. With 0, each record starts a search. */
  readonly emitIntervalMs: number
  /** The limit for the bytes that tables hold back; null if updates of tables are not held back. */
  readonly cache: CacheBudget | null
  /** The longest metadata that the log accepts beside a position. */
  readonly maxNoteBytes: number
  partitionsOf(topic: string): number
  emit(record: ProducerRecord): void
  batcher(node: AsyncNode, task: string): RowBatcher<unknown, unknown, unknown, unknown>
  /** The waiting memory that one node of a task may use. */
  waitingShare(node: AsyncNode, task: string): WaitingShare
  requestCommit(): void
  /** Called when this task can go on because an asynchronous node has an outcome. */
  wake(): void
}
