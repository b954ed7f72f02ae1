import { noClaimStore } from '../payload/claim-errors.ts'
import { claimedBytes } from '../payload/claimed-payload.ts'
import type { Claim, Payload } from '../payload/payload.ts'
import { errorPayload } from './bee-error.ts'

/** The caller of an answer, as long as its response takes memory. */
export interface AnswerReader {
  /** The caller's name, which decides its share of the memory; empty for a caller without a token. */
  readonly name: string
  /** Aborts when the response has been written, or when the caller has left. */
  readonly closed: AbortSignal
  /** Ends the caller's connection, so that the memory of its answer becomes free. `closed` then aborts. */
  cut(): void
}

/** An answer with all of its bytes. Calling `release` again, or after the reader has closed, does nothing. */
export interface WholeAnswer {
  readonly answer: Payload
  /** Gives the memory of the answer back before `closed` aborts, for a response with several answers. */
  release(): void
}

/** Fetches the large parts of answers for their callers. A gateway asks for the whole answer when it writes the response, and not earlier. */
export interface Answers {
  /**
   * The whole answer of a request. Its large parts count as memory until `release` is called or the reader closes, so the call waits while other callers'
   * answers fill the memory. An answer that is lost is a payload of kind `error`. Throws WAGGLE_CLAIM_STORE_AWAY, WAGGLE_OVERLOADED, and
   * WAGGLE_ANSWER_UNREAD if the reader closes first.
   */
  whole(id: string, answer: Payload, reader: AnswerReader): Promise<WholeAnswer>
}

/** Counts the answers in memory that were not fetched from a claim store, so that slow callers have a bound. */
export interface AnswerMemory {
  /**
   * Counts answers of this many bytes until the reader closes or they are released. They are in memory already, so they do not wait. Beyond the bound,
   * callers that read too slowly are cut. The caller's time for reading starts at once.
   */
  hold(bytes: number, reader: AnswerReader): HeldAnswers
}

/** Answers that count as memory. Calls after the release, or after the reader has closed, do nothing. */
export interface HeldAnswers {
  /** Starts the time that the caller has for reading so many bytes. */
  offer(bytes: number): void
  /** Stops that time: the caller waits for the next answer. */
  pause(): void
  resize(bytes: number): void
  release(): void
}

/** A smaller answer is not counted: the buffers of its connection take about as much. */
export const leastHeldBytes = 65_536

export const uncounted: AnswerMemory = { hold: () => ({ offer() {}, pause() {}, resize() {}, release() {} }) }

/** The answers of a process without a claim store. An answer that another process has put into a store is an error. */
export const inlineAnswers: Answers = {
  async whole(_, answer) {
    const claim = claimIn(answer)
    if (claim === null) return { answer, release: () => {} }
    const { code, message, next } = noClaimStore(claim)
    return { answer: errorPayload({ code, detail: `${message}. ${next}`, bee: '' }), release: () => {} }
  },
}

/** The whole answer. The reader is only made for an answer that has large parts, because most answers have none. */
export async function wholeAnswer(answers: Answers, id: string, answer: Payload, reader: () => AnswerReader): Promise<Payload> {
  return claimedBytes(answer) === 0 ? answer : (await answers.whole(id, answer, reader())).answer
}

function claimIn(payload: Payload): Claim | null {
  if (payload.kind === 'claim') return payload.claim
  if (payload.kind !== 'joined') return null
  for (const part of payload.parts.values()) {
    const claim = claimIn(part)
    if (claim !== null) return claim
  }
  return null
}
