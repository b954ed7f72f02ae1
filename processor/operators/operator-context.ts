import type { ProcessorContext } from '../../topology/processor-api.ts'
import type { KeptNumber } from '../state/task-memory.ts'

/** What the engine's own operators have beyond a user's processors. */
export interface OperatorContext extends ProcessorContext<unknown, unknown> {
  /** A number of this node's own that is kept with the task's position. */
  kept(name: string): KeptNumber
  /** One thing for several nodes of a task; `owner` says which. */
  shared<T>(owner: object, make: () => T): T
  /** How often, at most, closed windows are looked for; 0: with each record. */
  readonly emitIntervalMs: number
  /** Counts a record that is not for its operator. */
  drop(): void
}
