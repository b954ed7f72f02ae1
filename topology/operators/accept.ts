import type { FailureListener } from '../failed-record.ts'
import type { ReplyTo } from '../swarm/reply.ts'
import type { ReplyTopics } from '../swarm/reply-topics.ts'

/**
 * Gives each record at a gateway its request id as key. The id is in the header `waggle-request-id`, or is made from topic, partition and offset, and
 * so is the same when the record is read again. It also writes a note to the accepted topic: the request is on its way, and which reply topic it
 * names.
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

/** A value of the accepted topic, as JSON. */
export interface AcceptedRequest {
  readonly gateway: string
  readonly accepted_at: number
  readonly deadline: number | null
  readonly body_hash: string
  readonly reply_to: ReplyTo | null
}

/** A value of the accepted topic that asks for the state of a request. */
export interface AskedRequest {
  readonly asks: true
  readonly reply_to: ReplyTo
}

/** Parses a value of the accepted topic. Null for a value that Waggle did not write. */
export function noteOf(json: unknown): AcceptedRequest | AskedRequest | null {
  if (typeof json !== 'object' || json === null) return null
  const note = json as Partial<AcceptedRequest & AskedRequest>
  if ('asks' in note) return note.asks === true && isReplyTo(note.reply_to) ? { asks: true, reply_to: note.reply_to } : null
  const { gateway, accepted_at, deadline, body_hash, reply_to } = note
  if (typeof gateway !== 'string' || typeof body_hash !== 'string' || !isTime(accepted_at)) return null
  if (!(deadline === null || isTime(deadline)) || !(reply_to === null || isReplyTo(reply_to))) return null
  return { gateway, accepted_at, deadline, body_hash, reply_to }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isReplyTo(value: unknown): value is ReplyTo {
  if (typeof value !== 'object' || value === null) return false
  const { topic, partition, correlation } = value as Partial<ReplyTo>
  return typeof topic === 'string' && Number.isInteger(partition) && (typeof correlation === 'string' || correlation === null)
}
