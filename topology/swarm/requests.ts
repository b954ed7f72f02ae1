import type { Durable } from './durable.ts'
import type { Payload } from './payload.ts'
import type { ReplyTo } from './reply.ts'

/** The engine as a gateway (HTTP, later gRPC) sees it. */
export interface Requests {
  readonly gateways: readonly string[]
  /**
   * The reason why a gateway must refuse requests now with 503 (full queues, models that still load), and the seconds until a retry. Null: requests
   * are welcome.
   */
  refusal(gateway: string): { readonly reason: string; readonly retryAfterSeconds: number } | null
  /**
   * Settles when the input is durable, also if another process sent it first. Throws WAGGLE_KEY_REUSED where the id came before with another body.
   */
  submit(request: NewRequest): Promise<Durable<Accepted>>
  /**
   * Settles with the stored outcome; the same id again gives the same outcome. Throws WAGGLE_NO_OUTCOME where this call's deadline passes first. The
   * request itself then goes on, and so do other calls that wait for it.
   */
  request(request: NewRequest): Promise<Durable<RequestOutcome>>
  find(id: string): Promise<Durable<FoundRequest> | null>
}

export interface NewRequest {
  readonly gateway: string
  readonly id: string
  readonly body: Uint8Array
  readonly contentType: string
  /** Epoch milliseconds; null: none. The first request under an id sets the deadline of its outcome. A later request only sets its own wait. */
  readonly deadline: number | null
  /** Hash of the body. The same id with another hash is WAGGLE_KEY_REUSED (422). Empty: the id was made for this request, and no other one has it. */
  readonly bodyHash: string
  readonly traceparent: string | null
}

/** The input of a request is in the log. */
export interface Accepted {
  readonly id: string
}

export interface RequestOutcome {
  readonly id: string
  readonly state: 'answered' | 'failed'
  /** The answer; a payload of kind `error` where the request failed. */
  readonly answer: Payload
}

/** The state of a request so far. */
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
  /** Reply topics that the answer goes to, in addition to the respond bee's topic. */
  readonly replies: readonly ReplyTo[]
}
