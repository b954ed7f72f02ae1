/**
 * The steps of a commit, in order, at which a process can crash:
 *  - `begin`: nothing is written yet
 *  - `records`, `state`, `positions`: this part is written, but a crash undoes it if the commit is atomic
 *  - `durable`, `acknowledged`: everything is written; the caller learns of the success only after `acknowledged`
 *
 * In a commit that is not atomic, `torn` follows `begin`: only some partitions have their records.
 */
export const commitSteps = ['begin', 'records', 'state', 'positions', 'durable', 'acknowledged'] as const
export type CommitStep = (typeof commitSteps)[number] | 'torn'

export interface CrashPoint {
  /** The number of the commit, from 0 over the life of one log object. */
  readonly commit: number
  readonly step: CommitStep
}

/** A promise that never settles, for calls of a crashed process. */
export function never<T>(): Promise<T> {
  return new Promise(() => {})
}
