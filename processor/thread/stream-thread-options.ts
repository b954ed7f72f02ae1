import type { WaggleError } from '../../topology/waggle-error.ts'
import type { KillingRecordSearch } from '../async/killing-record-search.ts'
import type { EngineEvent } from '../metrics/engine-event.ts'
import type { Clock, Log } from '../ports.ts'
import type { TaskStates } from '../state/task-states.ts'
import type { FailurePolicy } from '../task/failures.ts'
import type { DecideFailure } from './failure-decision.ts'
import type { OpenWorkers } from './open-workers.ts'
import type { SpreadOptions } from './thread-assignor.ts'
import type { ThreadProgram } from './thread-program.ts'

export interface StreamThreadOptions {
  readonly name: string
  readonly program: ThreadProgram
  readonly log: Log
  readonly clock: Clock
  readonly workers: OpenWorkers
  readonly partitionsOf: (topic: string) => number
  readonly failures: FailurePolicy
  readonly killingRecordSearch: KillingRecordSearch | null
  readonly commitIntervalMs: number
  /** True: a commit begins as soon as the thread is idle, one commit at a time. Meant for logs whose readers see only committed records. */
  readonly commitsWhenIdle: boolean
  readonly emitIntervalMs: number
  /** States of tasks; null on a log that keeps state itself. */
  readonly states: TaskStates | null
  /** Settings for the distribution of tasks, on a log whose groups have members in other processes. */
  readonly spread: SpreadOptions | null
  /** Called when `hasItsTasks` may have changed. */
  readonly onTasksChanged: () => void
  /** The most bytes of table updates that wait for a commit. With 0, each update is forwarded at once. */
  readonly cacheMaxBytes: number
  /** Time that a task waits for an empty input, in ms. Below 0 the task does not even wait for records that are known to exist. */
  readonly maxTaskIdleMs: number
  /** The most buffered records in all tasks. At the limit, tasks that have at least their fair part are paused. */
  readonly maxBufferedRecords: number
  readonly maxBufferedBytes: number
  /** The shortest time between two purges of repartition topics, in ms. */
  readonly purgeIntervalMs: number
  readonly onNotice: (notice: string) => void
  /** Called with each event of the thread. Undefined: nobody receives the events. */
  readonly onEvent?: (event: EngineEvent) => void
  /** Called with each failure that was rolled back. Then `decide` is asked. */
  readonly onFailure: (error: WaggleError) => void
  /** Decides whether the thread goes on after a failure that was rolled back. `stop` ends the loop. */
  readonly decide: DecideFailure
  /** Called when the loop has ended because `decide` returned `stop`. */
  readonly onStopped: () => void
}
