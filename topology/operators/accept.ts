import type { FailureListener } from '../failed-record.ts'
import type { ReplyTopics } from '../swarm/reply-topics.ts'

/**
 * Gives each record at a gateway its request id as key. The id is in the header `waggle-request-id`, or is made from topic, partition and offset, and
 * so is the same when the record is read again. It also writes a ledger message (`ledger-message.ts`) to the accepted topic: the request is on its
 * way, and which reply topic it names.
 */
export interface Accept {
  readonly op: 'accept'
  readonly gateway: string
  readonly bee: string
  /** The child that takes the small accepted record. */
  readonly acceptedChild: string
  /** The children that take the request. */
  readonly requestChildren: readonly string[]
  /** The child that takes a record whose reply topic or partition cannot be used. */
  readonly deadLetterChild: string
  readonly replyTopics: ReplyTopics
  readonly onFailure: FailureListener
}
