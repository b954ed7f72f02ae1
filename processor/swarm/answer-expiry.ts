import type { KeyValueStore } from '../../topology/state-store.ts'
import type { RequestEntry } from '../../topology/swarm/request/requests.ts'
import type { DueIndex } from '../operators/due-index.ts'

export interface AnswerExpiryOptions {
  readonly entries: KeyValueStore<string, RequestEntry>
  readonly dues: DueIndex
  /** The setting `answers_retention`, in ms. */
  readonly retentionMs: number
}

/**
 * Deletes the ledger's entry of a request, and with it the answer, when `retentionMs` have passed since the outcome. The entry of a request without an
 * outcome expires after the same time, counted from its acceptance.
 */
export class AnswerExpiry {
  readonly #options: AnswerExpiryOptions

  constructor(options: AnswerExpiryOptions) {
    this.#options = options
  }

  /** The time at which an entry expires if its outcome, or its acceptance, is now. */
  timeFrom(now: number): number {
    return now + this.#options.retentionMs
  }

  /** Makes the index of due times report this request at the time of its expiry. */
  schedule(id: string, now: number): void {
    this.#options.dues.add(id, this.timeFrom(now))
  }

  /** Deletes an entry whose due time has come, unless a later outcome keeps the entry for longer. */
  expire(id: string, { settledAt, acceptedAt }: RequestEntry, now: number): void {
    if (now - (settledAt ?? acceptedAt) >= this.#options.retentionMs) this.#options.entries.delete(id)
  }
}
