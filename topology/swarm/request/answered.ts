import { type Header, headerText, textHeader } from '../../record.ts'
import { Refused } from '../../waggle-error.ts'
import type { ErrorPayload, Payload } from '../payload/payload.ts'
import { errorPayload } from './bee-error.ts'
import { answeredHeader } from './headers.ts'

/** The result of a bee that answers the caller itself, in the middle of its swarm. */
export class Answered {
  readonly answer: Payload
  /** The value for the bees that read this bee. Null: the request ends at this bee. */
  readonly published: Payload | null

  constructor(answer: Payload, published: Payload | null) {
    this.answer = answer
    this.published = published
  }

  mapped(change: (payload: Payload) => Payload): Answered {
    return new Answered(change(this.answer), this.published === null ? null : change(this.published))
  }
}

/** The result of an asynchronous bee. */
export type BeeResult = Payload | Answered

/**
 * The payload behind a bee that has answered the caller and publishes nothing. Bees pass this mark on like an error, sinks skip it, and a join
 * forwards the mark alone, without the join's other inputs. The answer itself reaches the ledger through the accepted topic, so the ledger skips the
 * mark.
 */
export function answeredMark(bee: string): ErrorPayload {
  return errorPayload({ code: 'WAGGLE_ANSWERED', detail: `${bee} has answered the request`, bee })
}

/**
 * The outcome of a call for a request that was sent again, and whose first copy has a result. The bee is not called. Deduplication drops the mark that
 * is forwarded in place of a result (`answeredMark`).
 */
export class RepeatedRequest extends Refused {
  constructor() {
    super('The request was sent again, and has a result')
  }
}

/** True for a record of a request that a bee has already answered. */
export function isAnswered({ value, headers }: { readonly value: Payload; readonly headers: readonly Header[] }): boolean {
  return isAnsweredMark(value) || headerText(headers, answeredHeader) !== null
}

/** The headers of a value that a bee publishes beside its answer. */
export function withAnswered(headers: readonly Header[], bee: string): readonly Header[] {
  return [...headers.filter(({ key }) => key !== answeredHeader), textHeader(answeredHeader, bee)]
}

export function isAnsweredMark(payload: Payload): boolean {
  return payload.kind === 'error' && payload.error.code === 'WAGGLE_ANSWERED'
}
