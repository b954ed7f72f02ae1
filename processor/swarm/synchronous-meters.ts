import type { RowOutcome } from '../metrics/call-meters.ts'

/** The inputs of the synchronous bees of a swarm, by bee and outcome, since the start. */
export type SynchronousMeters = ReadonlyMap<string, SynchronousRows>

export type SynchronousRows = { [outcome in RowOutcome]: number }

export function synchronousRows(): SynchronousRows {
  return { result: 0, refused: 0, failed: 0 }
}
