import type { SendReason } from '../../topology/async-step.ts'

/** The end of a row. `refused`: the input does not fit, so its sender is at fault. */
export type RowOutcome = 'result' | 'refused' | 'failed'

/** Counts of an asynchronous node's calls in one thread, since the start. */
export class CallMeters {
  /** Ended calls by the reason why their batch was sent. */
  readonly sent: { [reason in SendReason]: number } = { full: 0, timeout: 0, deadline: 0, idle: 0, alone: 0 }
  /** Rows by their end. A row that is tried again counts once, when its last try has ended. */
  readonly rows: { [outcome in RowOutcome]: number } = { result: 0, refused: 0, failed: 0 }
  /** The number of calls that took at most each time of `callBoundsSeconds`. */
  readonly buckets: number[] = callBoundsSeconds.map(() => 0)
  sumSeconds = 0
  /** The largest batch that may be sent now. */
  batchLimit = 1

  called(reason: SendReason, ms: number): void {
    this.sent[reason]++
    this.sumSeconds += ms / 1000
    for (let at = 0; at < callBoundsSeconds.length; at++) {
      if (ms / 1000 <= (callBoundsSeconds[at] ?? 0)) this.buckets[at] = (this.buckets[at] ?? 0) + 1
    }
  }
}

export const callBoundsSeconds: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
