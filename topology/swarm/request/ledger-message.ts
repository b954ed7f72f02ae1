import type { ReplyTo } from './reply.ts'

/** A value of the accepted topic, as JSON. A gateway's accept step writes the message, and the ledger reads it. */
export type LedgerMessage = AcceptedRequest | AskedRequest

/** The message of an accepted request. */
export interface AcceptedRequest {
  readonly gateway: string
  readonly accepted_at: number
  readonly deadline: number | null
  readonly body_hash: string
  readonly reply_to: ReplyTo | null
}

/** A question for the state of a request. */
export interface AskedRequest {
  readonly asks: true
  readonly reply_to: ReplyTo
}

/** Parses a ledger message. Null for a value that Waggle did not write. */
export function ledgerMessageOf(json: unknown): LedgerMessage | null {
  if (typeof json !== 'object' || json === null) return null
  const message = json as Partial<AcceptedRequest & AskedRequest>
  if ('asks' in message) return message.asks === true && isReplyTo(message.reply_to) ? { asks: true, reply_to: message.reply_to } : null
  const { gateway, accepted_at, deadline, body_hash, reply_to } = message
  if (typeof gateway !== 'string' || typeof body_hash !== 'string' || !isTime(accepted_at)) return null
  if (!(deadline === null || isTime(deadline)) || !(reply_to === null || isReplyTo(reply_to))) return null
  return { gateway, accepted_at, deadline, body_hash, reply_to }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isReplyTo(value: unknown): value is ReplyTo {
  if (typeof value !== 'object' || value === null) return false
  const { topic, partition, correlation, event } = value as Partial<ReplyTo>
  const isPlace = typeof topic === 'string' && Number.isInteger(partition) && (typeof correlation === 'string' || correlation === null)
  return isPlace && (event === undefined || isAskedEvent(event))
}

function isAskedEvent(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { mode, id, gateway } = value as Partial<NonNullable<ReplyTo['event']>>
  return (mode === 'binary' || mode === 'structured') && typeof id === 'string' && typeof gateway === 'string'
}
