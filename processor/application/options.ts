import type { Topology } from '../../topology/graph.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { Flights } from '../async/flights.ts'
import type { Clock, Log, StateDirectory, TopicSpec } from '../ports.ts'
import type { StateListeners } from '../state/state-listening.ts'
import type { FailurePolicy } from '../task/failures.ts'
import type { SpreadOptions } from '../thread/thread-assignor.ts'
import type { ThreadElsewhere, ThreadElsewhereOptions } from '../thread/thread-elsewhere.ts'
import type { NamedTopics } from './topics.ts'

/** The settings of one application: its topology, its log, and how it runs. */
export interface ApplicationOptions {
  readonly applicationId: string
  readonly topology: Topology
  readonly log: Log
  readonly clock: Clock
  /** Topics that are created before anything runs. Topics of other applications must exist. */
  readonly topics: readonly TopicSpec[]
  readonly namedTopics?: NamedTopics
  /** Number of partitions of missing topics of other applications. These are created too, on a log where nobody else creates topics. */
  readonly missingTopicPartitions?: number
  /** The place of the tasks' state, on a log that keeps none. */
  readonly states?: StateDirectory
  /** How tasks are spread over the application's processes, on a log that keeps no state. */
  readonly spread?: Partial<SpreadOptions>
  readonly threads?: number
  readonly commitIntervalMs?: number
  /** True: at low load a commit begins at once, and does not wait for the interval. For logs whose readers see only committed records. */
  readonly commitsWhenIdle?: boolean
  /** The shortest time between two searches for closed windows, in ms; 0: with each record. */
  readonly emitIntervalMs?: number
  /** The most bytes of table updates that wait for a commit, shared by the threads at the start. 0, the default, forwards each update at once. */
  readonly cacheMaxBytes?: number
  /** Time that a task waits for an empty input, in ms (KIP-695). Default: 0. */
  readonly maxTaskIdleMs?: number
  /** The shortest time between two purges of repartition topics, in ms; 30 s by default. */
  readonly repartitionPurgeIntervalMs?: number
  readonly maxBufferedRecords?: number
  readonly maxBufferedBytes?: number
  readonly maxCachedEntries?: number
  /** Called for each asynchronous node whose worker is open (a model loaded). */
  readonly onOpened?: (node: string) => void
  readonly failures?: FailurePolicy
  /** The calls in flight of the process. Without them, a record that kills the process is read again at every start. */
  readonly flights?: Flights
  readonly onFailure?: (error: WaggleError) => void
  /** Called with an event that an operator should know and that is no failure, such as a store that had to be restored anew. */
  readonly onNotice?: (notice: string) => void
  /** Listeners for restores of stores. */
  readonly listeners?: Partial<StateListeners>
  /** Creates the threads where they run in other JavaScript threads. This JavaScript thread then only keeps the global stores. */
  readonly threadElsewhere?: (options: ThreadElsewhereOptions) => ThreadElsewhere
  /** Set in such another JavaScript thread, with the thread's name. On a log that keeps state, it reads global stores as of their last commit. */
  readonly isElsewhere?: { readonly threadName: string }
  /** Decides after a failure that was rolled back: to try again (the default), or to stop for good. */
  readonly decide?: (error: WaggleError) => 'goOn' | 'stop'
}

export interface CloseOptions {
  readonly timeoutMs: number
  /** Starts no new work, and waits for the calls in flight until `timeoutMs` is over. Throws WAGGLE_CLOSE_TIMEOUT where calls are left then. */
  readonly waitsForCalls?: boolean
}
