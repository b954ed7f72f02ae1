import type { RowOutcome } from '../metrics/call-meters.ts'

/** The inputs of the bees of a swarm that compute at once in the stream thread, by bee and outcome, since the start. */
export type InstantMeters = ReadonlyMap<string, InstantRows>

export type InstantRows = { [outcome in RowOutcome]: number }

export function instantRows(): InstantRows {
  return { result: 0, refused: 0, failed: 0 }
}
