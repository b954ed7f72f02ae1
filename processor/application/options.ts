import type { Topology } from '../../topology/graph.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { Flights } from '../async/flights.ts'
import type { Clock, Log, StateDirectory, TopicSpec } from '../ports.ts'
import type { StateListeners } from '../state/state-listening.ts'
import type { FailurePolicy } from '../task/failures.ts'
import type { SpreadOptions } from '../thread/thread-assignor.ts'
import type { ThreadElsewhere, ThreadElsewhereOptions } from '../thread/thread-elsewhere.ts'
import type { NamedTopics } from './topics.ts'

/** What an application runs, on what, and how. */
export interface ApplicationOptions {
  readonly applicationId: string
  readonly topology: Topology
  readonly log: Log
  readonly clock: Clock
  /** Topics that are made before anything runs; those of others must exist. */
  readonly topics: readonly TopicSpec[]
  readonly namedTopics?: NamedTopics
  /** Topics of others that do not exist are made with as many partitions, on a log that nobody else makes topics on. */
  readonly missingTopicPartitions?: number
  /** Where the state of tasks is kept, on a log that keeps none itself. */
  readonly states?: StateDirectory
  /** How tasks are spread over the processes of the application, on such a log. */
  readonly spread?: Partial<SpreadOptions>
  readonly threads?: number
  readonly commitIntervalMs?: number
  /** Where what is written is read only once it is committed: at low load that is at once, and not when the interval is over. */
  readonly commitsWhenIdle?: boolean
  /** How often, at most, closed windows are looked for; 0: with each record. */
  readonly emitIntervalMs?: number
  /** Shared by the threads that it starts with; 0, the default: each update of a table goes on at once. */
  readonly cacheMaxBytes?: number
  /** See KIP-695: 0 by default. */
  readonly maxTaskIdleMs?: number
  /** How often, at most, what is done of repartition topics is deleted; 30 s. */
  readonly repartitionPurgeIntervalMs?: number
  readonly maxBufferedRecords?: number
  readonly maxBufferedBytes?: number
  readonly maxCachedEntries?: number
  /** Told of each asynchronous node whose worker is open (a model loaded). */
  readonly onOpened?: (node: string) => void
  readonly failures?: FailurePolicy
  /** Of the process: without them a record that ends it is read again for good. */
  readonly flights?: Flights
  readonly onFailure?: (error: WaggleError) => void
  /** Something that is no failure, and that whoever runs it should know: a store that had to be read anew. */
  readonly onNotice?: (notice: string) => void
  /** Told of stores that are read from changelogs. */
  readonly listeners?: Partial<StateListeners>
  /** Makes its threads where they are to run in other JavaScript threads. Then this one keeps the global stores, and nothing else. */
  readonly threadElsewhere?: (options: ThreadElsewhereOptions) => ThreadElsewhere
  /** This is one of those threads: it has this name, and on a log that keeps state reads global stores as the last commit of who keeps them left them. */
  readonly isElsewhere?: { readonly threadName: string }
  /** Of a failure that was rolled back: whether to try again (the usual), or to stop for good. */
  readonly decide?: (error: WaggleError) => 'goOn' | 'stop'
}

export interface CloseOptions {
  readonly timeoutMs: number
  /** Begins nothing new, and waits for the calls that are in flight for as long as there is: what is left then is WAGGLE_CLOSE_TIMEOUT. */
  readonly waitsForCalls?: boolean
}
