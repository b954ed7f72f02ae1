import type { FailureListener } from '../failed-record.ts'
import type { ReplyTopics } from '../swarm/reply-topics.ts'

/**
 * Stores the state of each request: pending → answered | failed. The first outcome wins, is stored and is forwarded. Later ones change nothing. At
 * its deadline a request without an outcome fails with a 504 that names the missing bees. A request with a reply topic gets the answer there, also if
 * it comes again, through any process, after the answer. Entries are kept for `retentionMs`. Store: request id → RequestEntry; `<store>-due` holds
 * the ids in the order of their deadlines and expiries.
 */
export interface RequestLedger {
  readonly op: 'request-ledger'
  readonly store: string
  readonly dueStore: string
  readonly retentionMs: number
  /** Bees whose results an answer needs. */
  readonly waitsFor: readonly string[]
  /** The bee that answers. The problem of a missed deadline names it. */
  readonly bee: string
  /** The children that take outcomes; empty where the swarm answers nobody. */
  readonly outcomeChildren: readonly string[]
  /** The child that takes each `Reply`. */
  readonly replyChild: string
  /** The topics that may get answers. A topic is checked here, because every writer of the accepted topic can name one. */
  readonly replyTopics: ReplyTopics
  /** Called with each request whose deadline has passed. */
  readonly onFailure?: FailureListener
}
