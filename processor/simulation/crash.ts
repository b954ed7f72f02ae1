/**
 * The steps of a commit, in order, and the state of things when a process crashes at each of them:
 *  - `begin`: nothing is written yet
 *  - `records`, `state`, `positions`: each of them is written; visible after a crash only where the commit is not atomic
 *  - `durable`, `told`: everything is written, and the caller has not been told
 *
 * Where a commit is not atomic, `torn` follows `begin`: some partitions have their records, others do not.
 */
export const commitSteps = ['begin', 'records', 'state', 'positions', 'durable', 'told'] as const
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
