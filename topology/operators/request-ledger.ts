import type { FailureListener } from '../failed-record.ts'
import type { ReplyTopics } from '../swarm/reply-topics.ts'

/**
 * Stores the state of each request: pending → answered | failed. The first outcome is stored and forwarded, and later ones change nothing. A request
 * without an outcome at its deadline fails with a 504 that names the missing bees. A request with a reply topic gets its answer there, even if it is
 * sent again, through any process, after the answer.
 *
 * The store maps a request id to a RequestEntry, which is kept for `retentionMs`. `<store>-due` holds the ids in the order of their deadlines and
 * expiries.
 */
export interface RequestLedger {
  readonly op: 'request-ledger'
  readonly store: string
  readonly dueStore: string
  readonly retentionMs: number
  /** The bees whose results an answer needs. */
  readonly waitsFor: readonly string[]
  /** The bee that answers. The problem of a missed deadline names it. */
  readonly bee: string
  /** The children that take outcomes; empty if the swarm answers nobody. */
  readonly outcomeChildren: readonly string[]
  /** The child that takes each `Reply`. */
  readonly replyChild: string
  /** The topics that may get answers. The ledger checks them, because every writer of the accepted topic can name one. */
  readonly replyTopics: ReplyTopics
  /** Called with each request whose deadline has passed. */
  readonly onFailure?: FailureListener
}
