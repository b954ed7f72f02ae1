import type { Topology } from '../../topology/graph.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { KillingRecordSearch } from '../async/killing-record-search.ts'
import type { EngineEvent } from '../metrics/engine-event.ts'
import type { Clock, Log, StateDirectory, TopicSpec } from '../ports.ts'
import type { StateListeners } from '../state/state-listening.ts'
import type { FailurePolicy } from '../task/failures.ts'
import type { DecideFailure } from '../thread/failure-decision.ts'
import type { SpreadOptions } from '../thread/thread-assignor.ts'
import type { ThreadElsewhere, ThreadElsewhereOptions } from '../thread/thread-elsewhere.ts'
import type { NamedTopics } from './topics.ts'

/** The settings of one application. */
export interface ApplicationOptions {
  readonly applicationId: string
  readonly topology: Topology
  readonly log: Log
  readonly clock: Clock
  /** Topics that are created at the start. Topics of other applications must exist. */
  readonly topics: readonly TopicSpec[]
  readonly namedTopics?: NamedTopics
  /** If set, missing topics of other applications are created with this number of partitions. Meant for a log in which nobody else creates topics. */
  readonly missingTopicPartitions?: number
  /** The directory of the tasks' state, on a log that keeps no state. */
  readonly states?: StateDirectory
  /** Rules that spread tasks over the application's processes, on a log that keeps no state. */
  readonly spread?: Partial<SpreadOptions>
  readonly threads?: number
  readonly commitIntervalMs?: number
  /** True: at low load a commit begins at once, and does not wait for the interval. Meant for logs whose readers see only committed records. */
  readonly commitsWhenIdle?: boolean
  /** The shortest time between two searches for closed windows, in ms. With 0, each record starts a search. */
  readonly emitIntervalMs?: number
  /** The most bytes of table updates that wait for a commit, in all threads together. 0, the default: each update is forwarded at once. */
  readonly cacheMaxBytes?: number
  /** Time that a task waits for an empty input, in ms (KIP-695). Default: 0. */
  readonly maxTaskIdleMs?: number
  /** The shortest time between two purges of repartition topics, in ms. Default: 30 s. */
  readonly repartitionPurgeIntervalMs?: number
  readonly maxBufferedRecords?: number
  readonly maxBufferedBytes?: number
  readonly maxCachedEntries?: number
  /** Called when the worker of an asynchronous node is open, for example when a model is loaded. */
  readonly onOpened?: (node: string) => void
  readonly failures?: FailurePolicy
  /** The search for a record that kills the process. Without the search, such a record is tried again at every start. */
  readonly killingRecordSearch?: KillingRecordSearch
  readonly onFailure?: (error: WaggleError) => void
  /** Called with an event that an operator should know and that is not a failure, such as a store that had to be restored again. */
  readonly onNotice?: (notice: string) => void
  /** Called with each event of the stream threads in this JavaScript thread. Undefined: nobody receives the events. */
  readonly onEvent?: (event: EngineEvent) => void
  /** Listeners for the restore of stores. */
  readonly listeners?: Partial<StateListeners>
  /** Creates threads that run in other JavaScript threads. Then this JavaScript thread only keeps the global stores. */
  readonly threadElsewhere?: (options: ThreadElsewhereOptions) => ThreadElsewhere
  /**
   * Set in an application that `threadElsewhere` has created: the name of its stream thread. On a log that keeps state, this thread reads global
   * stores as of their last commit.
   */
  readonly isElsewhere?: { readonly threadName: string }
  /** Decides after a failure that was rolled back: try again (the default), or stop for good. */
  readonly decide?: DecideFailure
}

export interface CloseOptions {
  readonly timeoutMs: number
  /**
   * True: `close` starts no new work, and waits for the calls in flight until `timeoutMs`. If calls are still open then, `close` throws
   * WAGGLE_CLOSE_TIMEOUT.
   */
  readonly waitsForCalls?: boolean
}
