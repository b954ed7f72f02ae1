import type { Topology } from '../../topology/graph.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { Flights } from '../async/flights.ts'
import type { Clock, Log, StateDirectory, TopicSpec } from '../ports.ts'
import type { StateListeners } from '../state/state-listening.ts'
import type { FailurePolicy } from '../task/failures.ts'
import type { SpreadOptions } from '../thread/thread-assignor.ts'
import type { ThreadElsewhere, ThreadElsewhereOptions } from '../thread/thread-elsewhere.ts'
import type { NamedTopics } from './topics.ts'

/** Settings of one application: its topology, its log, and how it runs. */
export interface ApplicationOptions {
  readonly applicationId: string
  readonly topology: Topology
  readonly log: Log
  readonly clock: Clock
  /** Topics that are created before anything runs. Topics of others must exist. */
  readonly topics: readonly TopicSpec[]
  readonly namedTopics?: NamedTopics
  /** Partition count of missing topics of others: they are created too, on a log on which nobody else creates topics. */
  readonly missingTopicPartitions?: number
  /** Where the state of tasks lies, on a log that keeps none itself. */
  readonly states?: StateDirectory
  /** How tasks are spread over the application's processes, on a log that keeps no state. */
  readonly spread?: Partial<SpreadOptions>
  readonly threads?: number
  readonly commitIntervalMs?: number
  /** Commits at low load at once, and not at the end of the interval. For logs whose readers see only committed records. */
  readonly commitsWhenIdle?: boolean
  /** The shortest time between two searches for closed windows, in ms; 0: with each record. */
  readonly emitIntervalMs?: number
  /** Bytes of table updates held back, shared by the threads at the start; 0, the default: each update goes on at once. */
  readonly cacheMaxBytes?: number
  /** See KIP-695: 0 by default. */
  readonly maxTaskIdleMs?: number
  /** The shortest time between two purges of repartition topics, in ms; 30 s by default. */
  readonly repartitionPurgeIntervalMs?: number
  readonly maxBufferedRecords?: number
  readonly maxBufferedBytes?: number
  readonly maxCachedEntries?: number
  /** Called for each asynchronous node whose worker is open (a model loaded). */
  readonly onOpened?: (node: string) => void
  readonly failures?: FailurePolicy
  /** Calls in flight of the process. Without them, a record that kills the process is read again at every start. */
  readonly flights?: Flights
  readonly onFailure?: (error: WaggleError) => void
  /** Called with an event that is no failure and that an operator should know, such as a store that had to be read anew. */
  readonly onNotice?: (notice: string) => void
  /** Listeners of stores that are read from changelogs. */
  readonly listeners?: Partial<StateListeners>
  /** Creates the threads where they run in other JavaScript threads. This one then keeps the global stores and nothing else. */
  readonly threadElsewhere?: (options: ThreadElsewhereOptions) => ThreadElsewhere
  /** Set where this is one of those threads, with its name. On a log that keeps state, it reads global stores as of their last commit. */
  readonly isElsewhere?: { readonly threadName: string }
  /** Decides about a failure that was rolled back: to try again (the default), or to stop for good. */
  readonly decide?: (error: WaggleError) => 'goOn' | 'stop'
}

export interface CloseOptions {
  readonly timeoutMs: number
  /** Begins no new work, and waits for the calls in flight until `timeoutMs` is over. Calls that are left then are WAGGLE_CLOSE_TIMEOUT. */
  readonly waitsForCalls?: boolean
}
