import type { ProcessorContext } from '../../topology/processor-api.ts'

/** What the engine's own operators have beyond a user's processors. */
export interface OperatorContext extends ProcessorContext<unknown, unknown> {
  /** Its name in the topology. */
  readonly node: string
  /** A number that is kept with the task's position in its input: back after a crash as the last commit had it. Null at first. */
  noted(name: string): number | null
  note(name: string, value: number): void
  /** One thing for several nodes of a task; `owner` says which. */
  shared<T>(owner: object, make: () => T): T
  /** How often, at most, closed windows are looked for; 0: with each record. */
  readonly emitIntervalMs: number
  /** Counts a record that is not for its operator. */
  drop(): void
}
