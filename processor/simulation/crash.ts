/**
 * The steps of a commit, in order. A crash *at* a step is one just before what the step's name says has happened:
 *  - `begin`: nothing is written yet
 *  - `records`, `state`, `positions`: each of them written; visible after a crash only where the commit is not atomic
 *  - `durable`: everything is there, and nobody has been told
 *  - `told`: whoever waited knows
 *
 * Where a commit is not atomic there is one more, behind `begin`: at `torn` some partitions have their records, others do not.
 */
export const commitSteps = ['begin', 'records', 'state', 'positions', 'durable', 'told'] as const
export type CommitStep = (typeof commitSteps)[number] | 'torn'

export interface CrashPoint {
  /** Counted from 0 over the life of one log object. */
  readonly commit: number
  readonly step: CommitStep
}

/** What a process that has crashed does from then on. */
export function never<T>(): Promise<T> {
  return new Promise(() => {})
}
