import type { AnswerRoom } from '../../connectors/claims/answer-room.ts'
import type { Clock } from '../../processor/ports.ts'
import { claimedBytes, withoutClaims } from '../../topology/swarm/payload/claimed-payload.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { Claims } from '../../topology/swarm/ports/claims.ts'
import { errorPayload } from '../../topology/swarm/request/bee-error.ts'
import type { AnswerReader, Answers, WholeAnswer } from '../../topology/swarm/request/whole-answers.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { longestWaitMs, storeTooSlow } from './claim-wait.ts'

export interface ClaimedAnswersOptions {
  readonly claims: Claims
  readonly room: AnswerRoom
  readonly clock: Clock
}

/**
 * Answers whose large parts are in a claim store. An answer waits for room first, and is then fetched. Bees have room of their own, so callers that read
 * slowly do not hold up bees.
 */
export class ClaimedAnswers implements Answers {
  readonly #options: ClaimedAnswersOptions

  constructor(options: ClaimedAnswersOptions) {
    this.#options = options
  }

  async whole(id: string, answer: Payload, reader: AnswerReader): Promise<WholeAnswer> {
    const bytes = claimedBytes(answer)
    if (bytes === 0) return { answer, release: () => {} }
    const { claims, room, clock } = this.#options
    const aborting = new AbortController()
    const leave = () => aborting.abort(unread(id))
    reader.closed.addEventListener('abort', leave, { once: true })
    if (reader.closed.aborted) leave()
    let late = () => noRoom(id)
    const cancel = clock.after(longestWaitMs, () => aborting.abort(late()))
    let release = () => {}
    try {
      const held = await room.take(bytes, reader, aborting.signal)
      release = held.release
      late = storeTooSlow
      const fetched = await withoutClaims(answer, (claim) => claims.fetch(claim, aborting.signal))
      held.offer(bytes)
      return { answer: fetched, release }
    } catch (thrown) {
      release()
      if (reader.closed.aborted) throw unread(id)
      if (thrown instanceof WaggleError && thrown.code === 'WAGGLE_CLAIM_STORE_AWAY') throw answerAway(id, thrown)
      if (!(thrown instanceof WaggleError) || !isLost.has(thrown.code)) throw thrown
      // The error is not stored, because the object may come back.
      return { answer: errorPayload({ code: thrown.code, detail: `${thrown.message}. ${thrown.next}`, bee: '' }), release: () => {} }
    } finally {
      cancel()
      reader.closed.removeEventListener('abort', leave)
    }
  }
}

/** The error for a caller whose request already has an answer. Its advice differs from the advice for a request that was not accepted. */
function answerAway(id: string, cause: WaggleError): WaggleError {
  return new WaggleError('WAGGLE_CLAIM_STORE_AWAY', {
    message: `Request ${id} is done, and its answer could not be fetched: ${cause.message}`,
    next: readAgain(id),
    cause,
  })
}

function noRoom(id: string): WaggleError {
  return new WaggleError('WAGGLE_OVERLOADED', {
    message: `Request ${id} is done, and there was no memory for its answer within ${longestWaitMs / 1000} s, because the answers of other callers fill it`,
    next: readAgain(id),
  })
}

function unread(id: string): WaggleError {
  return new WaggleError('WAGGLE_ANSWER_UNREAD', {
    message: `The caller of request ${id} left before it had its answer, which has been computed`,
    next: readAgain(id),
  })
}

function readAgain(id: string): string {
  return `Ask for the answer again in a moment: GET /v1/requests/${id}. Do not send the request again, because it would be computed twice.`
}

/** The errors that another attempt would get too. */
const isLost: ReadonlySet<string> = new Set(['WAGGLE_CLAIM_MISSING', 'WAGGLE_CLAIM_ALTERED', 'WAGGLE_CLAIM_STORE'])
