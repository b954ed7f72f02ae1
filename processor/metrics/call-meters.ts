import type { SendReason } from '../../topology/async-step.ts'
import { Histogram } from './histogram.ts'

/** The end of a row. `refused`: the input does not fit, so its sender is at fault. */
export type RowOutcome = 'result' | 'refused' | 'failed'

/** Counts of an asynchronous node's calls in one thread, since the start. */
export class CallMeters {
  /** Ended calls by the reason why their batch was sent. */
  readonly sent: { [reason in SendReason]: number } = { full: 0, timeout: 0, deadline: 0, idle: 0, alone: 0 }
  /** Rows by their end. A row that is tried again counts once, when its last try has ended. */
  readonly rows: { [outcome in RowOutcome]: number } = { result: 0, refused: 0, failed: 0 }
  /** Durations of ended calls, in seconds. */
  readonly durations = new Histogram(callBoundsSeconds)
  /** Times from the arrival of a row to the start of its call, in seconds. */
  readonly waits = new Histogram(callBoundsSeconds)
  /** Rows of started calls. */
  readonly sizes = new Histogram(batchBounds)
  /** The largest batch that may be sent now. */
  batchLimit = 1
  /** The open batchers, which know the rows that wait and the calls on their way. */
  readonly open = new Set<{ readonly waitingRows: number; readonly calls: number }>()

  called(reason: SendReason, ms: number): void {
    this.sent[reason]++
    this.durations.observe(ms / 1000)
  }

  get sumSeconds(): number {
    return this.durations.sum
  }

  get waitingRows(): number {
    return [...this.open].reduce((sum, { waitingRows }) => sum + waitingRows, 0)
  }

  get callsInFlight(): number {
    return [...this.open].reduce((sum, { calls }) => sum + calls, 0)
  }
}

const callBoundsSeconds: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const batchBounds: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
