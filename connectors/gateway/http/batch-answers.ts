import type { FastifyRequest } from 'fastify'
import type { Clock } from '../../../processor/ports.ts'
import { claimedBytes } from '../../../topology/swarm/payload/claimed-payload.ts'
import { type Durable, readBack } from '../../../topology/swarm/request/durable.ts'
import type { NewRequest, RequestOutcome, Requests } from '../../../topology/swarm/request/requests.ts'
import {
  type AnswerMemory,
  type AnswerReader,
  type Answers,
  type HeldAnswers,
  leastHeldBytes,
} from '../../../topology/swarm/request/whole-answers.ts'
import type { TracedArrival } from '../traced-arrival.ts'
import { ProblemError, problemOf } from './problem.ts'

/** The order of answers. `input`: the order of the batch. `done`: the order in which the answers are ready. */
export type AnswerOrder = 'input' | 'done'

export interface BatchOptions<Item> {
  readonly requests: Requests
  readonly answers: Answers
  readonly memory: AnswerMemory
  /** The caller of the batch. Called once at most. */
  readonly reader: () => AnswerReader
  readonly clock: Clock
  readonly order: AnswerOrder
  /** The longest wait of an item for its turn, in ms. */
  readonly patienceMs: number
  /** Makes the request of an item. Throws for an item that cannot be an input. */
  readonly requestOf: (item: Item, index: number) => TracedRequest
  /**
   * Counts a request as in flight until the returned function is called. If `hasPlace` is true, the request uses the place of the call itself, and
   * only the rate of the caller is checked. Throws a ProblemError at a limit of the caller.
   */
  readonly admit: (hasPlace: boolean) => () => void
  /** The text of an answer. */
  readonly textOf: (answered: AnsweredItem<Item>) => string
}

export interface TracedRequest {
  readonly request: NewRequest
  readonly arrival: TracedArrival
}

export interface AnsweredItem<Item> {
  readonly item: Item
  /** The position in the batch, from 0. */
  readonly index: number
  /** The id of the request; empty if it was refused before it had one. */
  readonly id: string
  /** The outcome; for a request without an outcome, its problem. */
  readonly result: { readonly outcome: Durable<RequestOutcome> } | { readonly problem: Omit<ReturnType<typeof problemOf>, 'retryAfterSeconds'> }
}

interface Placed<Item> {
  readonly index: number
  readonly item: Item
}

/** An item whose request has settled: the text of its answer, or a large answer, which is read when its text is due. */
type Settled<Item> = { readonly index: number } & ({ readonly text: string; readonly bytes: number } | { readonly large: LargeAnswer<Item> })

interface LargeAnswer<Item> extends Placed<Item> {
  readonly id: string
  readonly outcome: Durable<RequestOutcome>
  readonly arrival: TracedArrival
}

/**
 * The answers to a batch. Each item is a request of its own. At most `atOnce` of these requests are in flight, and at most one large answer is in
 * memory. If a later answer were in memory too, it could hold the memory that the answer before it waits for.
 */
export class BatchAnswers<Item> {
  readonly #options: BatchOptions<Item>
  #reader: AnswerReader | null = null
  /** The bytes of the texts in memory. All texts count, because many small texts take as much memory as one large text. */
  #textBytes = 0
  #held: HeldAnswers | null = null
  /** The bytes that the caller can read now; 0 while it waits for the next answer. */
  #offeredBytes = 0
  #running = 0
  /** True when the first item has been let in. The limits of the caller were checked for it when the call arrived. */
  #isCallUsed = false

  constructor(options: BatchOptions<Item>) {
    this.#options = options
  }

  /** The texts of the answers. While the caller reads no answer, no further item is computed. */
  async *of(items: Iterable<Item>, request: FastifyRequest): AsyncGenerator<string | Uint8Array> {
    const waiting = idleWhileWaiting(request)
    const placed = Iterator.from(items).map((item, index) => ({ index, item }))
    const open = new Map<number, Promise<Settled<Item>>>()
    try {
      for (let next = placed.next(); ; ) {
        for (; open.size < atOnce && next.done !== true; next = placed.next()) open.set(next.value.index, this.#answer(next.value))
        const [oldest] = open.values()
        if (oldest === undefined) return
        const settled = await waiting(this.#options.order === 'input' ? oldest : Promise.race(open.values()))
        open.delete(settled.index)
        if ('text' in settled) {
          this.#offer(settled.bytes)
          yield settled.text
          this.#offer(0)
          this.#count(-settled.bytes)
        } else yield* this.#textOf(settled.large, waiting)
      }
    } finally {
      // The caller has left before the turn of these answers.
      for (const answer of open.values()) void answer.then((settled) => 'large' in settled && settled.large.arrival.end(okStatus))
    }
  }

  /** The text of a large answer, in slices: the memory of the answer is given back when the caller has taken nearly all of it. */
  async *#textOf({ arrival, outcome, ...place }: LargeAnswer<Item>, waiting: <T>(answer: Promise<T>) => Promise<T>): AsyncGenerator<Uint8Array> {
    const { answers, textOf } = this.#options
    const own = this.#readerOf()
    let release = () => {}
    try {
      let text: string
      let status = okStatus
      try {
        const whole = await waiting(answers.whole(place.id, outcome.answer, own))
        release = whole.release
        if (whole.answer.kind === 'error') status = whole.answer.error.status
        text = textOf({ ...place, result: { outcome: readBack({ ...outcome, answer: whole.answer }) } })
      } catch (thrown) {
        const { retryAfterSeconds: _, ...problem } = problemOf(thrown, place.id)
        status = problem.status
        text = textOf({ ...place, result: { problem } })
      }
      arrival.end(status)
      const bytes = Buffer.from(text)
      for (let at = 0; at < bytes.length; at += sliceBytes) {
        const slice = bytes.subarray(at, at + sliceBytes)
        this.#offer(slice.length)
        yield slice
        this.#offer(0)
      }
    } finally {
      release()
    }
  }

  #readerOf(): AnswerReader {
    this.#reader ??= this.#options.reader()
    return this.#reader
  }

  /** A text in memory, which counts until the caller has taken it. */
  #settled(index: number, text: string): Settled<Item> {
    const bytes = Buffer.byteLength(text)
    this.#count(bytes)
    return { index, text, bytes }
  }

  #count(bytes: number): void {
    this.#textBytes += bytes
    if (this.#held !== null) this.#held.resize(this.#textBytes)
    else if (this.#textBytes >= leastHeldBytes) {
      this.#held = this.#options.memory.hold(this.#textBytes, this.#readerOf())
      this.#offer(this.#offeredBytes)
    }
  }

  /** The caller's time for reading counts while it has something to read. An answer that waits for the one before it is not in the caller's hands. */
  #offer(bytes: number): void {
    this.#offeredBytes = bytes
    if (bytes > 0) this.#held?.offer(bytes)
    else this.#held?.pause()
  }

  /** The answer to an item. Never rejects. */
  async #answer(placed: Placed<Item>): Promise<Settled<Item>> {
    const { textOf, requests } = this.#options
    const { index } = placed
    let id = ''
    let release = () => {}
    let arrival: TracedArrival | null = null
    let status = okStatus
    try {
      const admitted = await this.#admitted(placed)
      release = admitted.release
      arrival = admitted.arrival
      id = admitted.request.id
      const outcome = await requests.request(admitted.request)
      if (claimedBytes(outcome.answer) > 0) {
        const large = { ...placed, id, outcome, arrival: admitted.arrival }
        arrival = null
        return { index, large }
      }
      if (outcome.answer.kind === 'error') status = outcome.answer.error.status
      return this.#settled(index, textOf({ ...placed, id, result: { outcome } }))
    } catch (thrown) {
      const { retryAfterSeconds: _, ...problem } = problemOf(thrown, id)
      status = problem.status
      return this.#settled(index, textOf({ ...placed, id, result: { problem } }))
    } finally {
      // The arrival ends once, with the status that the caller sees: an outcome without a text is a problem.
      arrival?.end(status)
      release()
    }
  }

  /**
   * Makes the request of an item, as soon as the caller may have another request in flight. The rate of the caller is checked for each item except
   * the first, for which it was checked when the call arrived. An item uses the place of the call itself if no other item is in flight. If the
   * process is full, the item waits.
   */
  async #admitted({ index, item }: Placed<Item>): Promise<TracedRequest & { readonly release: () => void }> {
    const { clock, admit, requestOf, patienceMs } = this.#options
    const latest = clock.elapsedMs() + patienceMs
    for (;;) {
      try {
        const release = this.#isCallUsed ? admit(this.#running === 0) : () => {}
        this.#isCallUsed = true
        this.#running++
        const end = () => {
          this.#running--
          release()
        }
        try {
          return { ...requestOf(item, index), release: end }
        } catch (thrown) {
          end()
          throw thrown
        }
      } catch (thrown) {
        if (!(thrown instanceof ProblemError) || thrown.retryAfterSeconds === null || clock.elapsedMs() + pauseMs >= latest) throw thrown
        await new Promise<void>((resolve) => void clock.after(pauseMs, resolve))
      }
    }
  }
}

/** Suspends the time limit for an idle connection while an answer is computed. The limit then counts again, for a caller who does not read. */
function idleWhileWaiting({ raw: { socket } }: FastifyRequest): <T>(answer: Promise<T>) => Promise<T> {
  return async (answer) => {
    const idleMs = socket.timeout ?? 0
    socket.setTimeout(0)
    try {
      return await answer
    } finally {
      socket.setTimeout(idleMs)
    }
  }
}

const okStatus = 200
/** The most items that are in flight at once. */
const atOnce = 32
const pauseMs = 50
/** A response takes a slice when it has sent most of the one before. */
const sliceBytes = 65_536
