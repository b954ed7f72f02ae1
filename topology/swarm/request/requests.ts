import type { Header } from '../../record.ts'
import type { BeeError, Payload } from '../payload/payload.ts'
import type { Durable } from './durable.ts'
import type { ReplyTo } from './reply.ts'

/** The engine as a gateway sees it. */
export interface Requests {
  readonly gateways: readonly string[]
  /**
   * The reason why a gateway must refuse requests now with 503 (full queues, models that still load), and the seconds until a retry. Null: requests
   * are accepted.
   */
  refusal(gateway: string): { readonly reason: string; readonly retryAfterSeconds: number } | null
  /**
   * True while requests to a gateway have places beside those of requests in flight, because its swarm changes to another version. Undefined: a swarm
   * does not change while it runs.
   */
  hasHeldPlaces?(gateway: string): boolean
  /** Settles when the input is durable, even if another process sent it first. Throws WAGGLE_KEY_REUSED if the id came before with another body. */
  submit(request: NewRequest): Promise<Durable<Accepted>>
  /**
   * Settles with the stored outcome. The same id again gives the same outcome. Throws WAGGLE_NO_OUTCOME if this call's deadline passes first. The
   * request itself goes on, and other calls still wait for it.
   */
  request(request: NewRequest): Promise<Durable<RequestOutcome>>
  find(id: string): Promise<Durable<FoundRequest> | null>
}

export interface NewRequest {
  readonly gateway: string
  readonly id: string
  readonly body: Uint8Array
  readonly contentType: string
  /** The caller that it belongs to; empty or undefined without tokens. */
  readonly owner?: string
  /**
   * The deadline in epoch milliseconds; null: no deadline. The first request under an id sets the deadline of the outcome. A later request with the
   * same id only sets the time of its own wait.
   */
  readonly deadline: number | null
  /** A hash of the body. A request with a known id and another hash gets WAGGLE_KEY_REUSED (422). Empty for a new id, which no other request has. */
  readonly bodyHash: string
  readonly traceparent: string | null
  /** The other headers of the caller's trace, if the caller sent them. */
  readonly tracestate?: string
  readonly baggage?: string
  /** Further headers of the request's record, such as the attributes of a CloudEvent. */
  readonly headers?: readonly Header[]
  /**
   * Called just before the request's record is sent to the log. Every implementation of `Requests` must call it: if the request settles without this call,
   * the code that made the request may delete the stored objects that the body refers to.
   */
  readonly onSend?: () => void
}

/** The receipt of a request whose input is in the log. */
export interface Accepted {
  readonly id: string
}

export interface RequestOutcome {
  readonly id: string
  readonly state: 'answered' | 'failed'
  /** The answer; a payload of kind `error` if the request failed. It may be a claim (`Answers` gives the whole answer). */
  readonly answer: Payload
}

/** The current state of a request. Its answer may be a claim (`Answers` gives the whole answer). */
export type FoundRequest = Pick<RequestEntry, 'state' | 'bodyHash' | 'answer'>

/** One request in the ledger of its swarm, kept for `answers_retention`. */
export interface RequestEntry {
  readonly state: 'pending' | 'answered' | 'failed'
  readonly gateway: string
  readonly acceptedAt: number
  readonly settledAt: number | null
  readonly deadline: number | null
  readonly bodyHash: string
  readonly answer: Payload | null
  /** The topics of ways on which the request had no result, while an answer may still come by another way. */
  readonly untaken?: readonly string[]
  /** The error that becomes the outcome if no way gives an answer, and its rank (`refusalRank`). Set only together with `untaken`. */
  readonly refusal?: { readonly error: BeeError; readonly rank: number }
  /**
   * False if no gateway's message about the request has come yet. The ledger then knows the request only from records about ways without a result.
   */
  readonly isAccepted?: false
  /** The reply topics for the answer, in addition to the respond bee's topic. */
  readonly replies: readonly ReplyTo[]
}
