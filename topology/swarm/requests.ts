import type { Durable } from './durable.ts'
import type { Payload } from './payload.ts'
import type { ReplyTo } from './reply.ts'

/** What a gateway (HTTP, later gRPC) asks of the engine behind it. */
export interface Requests {
  readonly gateways: readonly string[]
  /** Full queues, or models that still load: the gateway refuses with 503 and this many seconds. Null: come in. */
  refusal(gateway: string): { readonly reason: string; readonly retryAfterSeconds: number } | null
  /** Settles when the input is durable, whoever sent it first. WAGGLE_KEY_REUSED where the id came before with another body. */
  submit(request: NewRequest): Promise<Durable<Accepted>>
  /**
   * Settles with the stored outcome; the same id again gives the same outcome. WAGGLE_NO_OUTCOME where the deadline of this call passes before:
   * the request itself goes on, and so do others that wait for it.
   */
  request(request: NewRequest): Promise<Durable<RequestOutcome>>
  find(id: string): Promise<Durable<FoundRequest> | null>
}

export interface NewRequest {
  readonly gateway: string
  readonly id: string
  readonly body: Uint8Array
  readonly contentType: string
  /** Epoch milliseconds; null: none. The first request under an id sets the deadline of its outcome; a later one only says how long it waits. */
  readonly deadline: number | null
  /** Of the body; the same id with another hash is WAGGLE_KEY_REUSED (422). */
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
  /** Of kind `error` where it failed. */
  readonly answer: Payload
}

/** What became of a request so far. */
export type FoundRequest = Pick<RequestEntry, 'state' | 'bodyHash' | 'answer'>

/** One request in the ledger of its swarm: the record of what became of it, kept for `answers_retention`. */
export interface RequestEntry {
  readonly state: 'pending' | 'answered' | 'failed'
  readonly gateway: string
  readonly acceptedAt: number
  readonly settledAt: number | null
  readonly deadline: number | null
  readonly bodyHash: string
  readonly answer: Payload | null
  /** Who is owed the answer, beside those that read it from the respond bee's topic. */
  readonly replies: readonly ReplyTo[]
}
