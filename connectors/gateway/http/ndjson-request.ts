import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../../../processor/ports.ts'
import type { NewRequest, Requests } from '../../../topology/swarm/request/requests.ts'
import type { TracedArrival } from '../traced-arrival.ts'
import { ProblemError, problemOf } from './problem.ts'
import { stateOf } from './request-state.ts'

/** The order of answers: the order of the lines (`input`), or each answer as soon as it is ready (`done`). */
export type AnswerOrder = 'input' | 'done'

export interface NdjsonOptions {
  readonly requests: Requests
  readonly clock: Clock
  readonly order: AnswerOrder
  /** The longest wait of a line for its turn, in ms. */
  readonly patienceMs: number
  /** Makes the request of a line. Throws for a line that is not an input. */
  readonly requestOf: (line: Uint8Array, index: number) => TracedRequest
  /**
   * Counts a request of the caller until the returned function is called. With `hasPlace`, the request uses the place of the whole call, and only the
   * caller's rate limit applies. Throws a ProblemError at a limit of the caller.
   */
  readonly admit: (hasPlace: boolean) => () => void
}

export interface TracedRequest {
  readonly request: NewRequest
  readonly arrival: TracedArrival
}

const ndjsonTypes: readonly string[] = ['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/jsonlines']

export function isNdjson(contentType: string | undefined): boolean {
  return ndjsonTypes.includes((contentType?.split(';', 1)[0] ?? '').trim().toLowerCase())
}

/** Throws a ProblemError for a text that is not an order. */
export function answerOrderIn(text: string | undefined): AnswerOrder {
  if (text === undefined || text === 'input') return 'input'
  if (text === 'done') return text
  throw new ProblemError('WAGGLE_BAD_REQUEST', 'order is input or done')
}

/**
 * Answers each line of a body with a line: `{"index", "request_id", "state", "answer", "problem"}`. Each line is a separate request. At most `atOnce`
 * requests are in progress at a time. If a caller does not read its answers, no further lines are computed.
 */
export function answerLines(body: Uint8Array, request: FastifyRequest, reply: FastifyReply, options: NdjsonOptions): FastifyReply {
  const count = countLines(body)
  if (count > maxLines)
    throw new ProblemError('WAGGLE_BODY_TOO_LARGE', `The body has ${count} lines, and at most ${maxLines} are taken: send several requests`)
  if (count === 0) throw new ProblemError('WAGGLE_EMPTY_BODY', 'The body has no line: send a JSON value on each line')
  const answers = new LineAnswers(options)
  const text = answers.of(linesIn(body), idleWhileWaiting(request))
  return reply
    .header('content-type', 'application/x-ndjson')
    .header('cache-control', 'no-store')
    .send(Readable.from(text, { objectMode: true, highWaterMark: 1 }))
}

class LineAnswers {
  readonly #options: NdjsonOptions
  #running = 0
  /** True once a line has used the place that the whole call was counted for. */
  #isCallUsed = false

  constructor(options: NdjsonOptions) {
    this.#options = options
  }

  async *of(lines: Iterator<Line>, waiting: <T>(answer: Promise<T>) => Promise<T>): AsyncGenerator<string> {
    const open = new Map<number, Promise<{ readonly index: number; readonly text: string }>>()
    for (let next = lines.next(); ; ) {
      for (; open.size < atOnce && next.done !== true; next = lines.next()) open.set(next.value.index, this.#answer(next.value))
      const [oldest] = open.values()
      if (oldest === undefined) return
      const { index, text } = await waiting(this.#options.order === 'input' ? oldest : Promise.race(open.values()))
      open.delete(index)
      yield text
    }
  }

  /** The answer to a line. Never rejects. */
  async #answer(line: Line): Promise<{ readonly index: number; readonly text: string }> {
    const { index } = line
    let id = ''
    let release = () => {}
    let arrival: TracedArrival | null = null
    try {
      const admitted = await this.#admitted(line)
      release = admitted.release
      arrival = admitted.arrival
      id = admitted.request.id
      const outcome = await this.#options.requests.request(admitted.request)
      arrival.end(outcome.answer.kind === 'error' ? outcome.answer.error.status : okStatus)
      return { index, text: `${JSON.stringify({ index, ...stateOf(id, { ...outcome, bodyHash: '' }) })}\n` }
    } catch (thrown) {
      const { retryAfterSeconds: _, ...problem } = problemOf(thrown, id)
      arrival?.end(problem.status)
      return { index, text: `${JSON.stringify({ index, request_id: id, state: 'failed', answer: null, problem })}\n` }
    } finally {
      release()
    }
  }

  /**
   * The request of a line, as soon as the caller may have one more request in progress. A line that runs alone uses the place of the whole call. The
   * caller's rate limit applies to each line; the first line was counted when the call arrived. If the process is full, the line waits.
   */
  async #admitted({ index, bytes }: Line): Promise<TracedRequest & { readonly release: () => void }> {
    const { clock, admit, requestOf, patienceMs } = this.#options
    if (bytes.length > maxLineBytes)
      throw new ProblemError('WAGGLE_BODY_TOO_LARGE', `Line ${index + 1} has ${bytes.length} bytes, and a line has at most ${maxLineBytes}`)
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
          return { ...requestOf(bytes, index), release: end }
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

/** Suspends the idle limit of the connection while an answer is computed. The limit still applies to a caller who does not read. */
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

interface Line {
  /** The number of the line, from 0. Empty lines do not count. */
  readonly index: number
  readonly bytes: Uint8Array
}

function* linesIn(body: Uint8Array): Generator<Line> {
  let index = 0
  for (const bytes of rawLines(body)) if (!isBlank(bytes)) yield { index: index++, bytes }
}

function countLines(body: Uint8Array): number {
  let count = 0
  for (const bytes of rawLines(body)) if (!isBlank(bytes)) count++
  return count
}

function* rawLines(body: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < body.length; ) {
    const found = body.indexOf(newline, start)
    const end = found < 0 ? body.length : found
    yield body.subarray(start, body[end - 1] === carriageReturn && end > start ? end - 1 : end)
    start = end + 1
  }
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09)
}

const okStatus = 200
const newline = 0x0a
const carriageReturn = 0x0d
export const maxLines = 10_000
export const maxLineBytes = 1024 * 1024
/** The most lines that are in progress at a time. */
const atOnce = 32
const pauseMs = 50
