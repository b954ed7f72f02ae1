import type { ReplyTopics } from '../swarm/reply-topics.ts'

/**
 * What became of each request: pending → answered | failed. The first outcome wins, is stored, and goes on; later ones
 * change nothing. A request whose deadline passes with no outcome is failed with a 504 that names what had not come.
 * Whoever asked for the answer by a reply topic gets it, also when the request comes again, by any process, and is answered already.
 * Entries are kept for `retentionMs`. Store: request id → RequestEntry; `<store>-due` orders deadlines and expiries.
 */
export interface RequestLedger {
  readonly op: 'request-ledger'
  readonly store: string
  readonly dueStore: string
  readonly retentionMs: number
  /** Bees whose results an answer needs. */
  readonly waitsFor: readonly string[]
  /** The bee that answers, for the problem of a deadline. */
  readonly bee: string
  /** Where outcomes go on; none where the swarm answers nobody. */
  readonly outcomeChildren: readonly string[]
  /** Takes a `Reply`. */
  readonly replyChild: string
  /** Anybody who may write to the accepted topic names a topic there; only these get answers. */
  readonly replyTopics: ReplyTopics
}
