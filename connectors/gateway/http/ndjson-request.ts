import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { mediaTypeOf } from '../../../topology/media-type.ts'
import { readerOf } from './answer-reader.ts'
import { type AnsweredItem, type AnswerOrder, BatchAnswers, type BatchOptions } from './batch-answers.ts'
import { ProblemError } from './problem.ts'
import { stateOf } from './request-state.ts'

export type LinesOptions = Omit<BatchOptions<Uint8Array>, 'textOf' | 'reader'>

const ndjsonTypes: readonly string[] = ['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/jsonlines']

export function isNdjson(contentType: string | undefined): boolean {
  return ndjsonTypes.includes(mediaTypeOf(contentType))
}

/** The order of answers that a text names. The default is the order of the lines. Throws a ProblemError for any other text. */
export function answerOrderIn(text: string | undefined): AnswerOrder {
  if (text === undefined || text === 'input') return 'input'
  if (text === 'done') return text
  throw new ProblemError('WAGGLE_BAD_REQUEST', 'order is input or done')
}

/**
 * Answers each line of a body with a line: `{"index", "request_id", "state", "answer", "problem"}`. Each line is a request of its own.
 */
export function answerLines(body: Uint8Array, request: FastifyRequest, reply: FastifyReply, options: LinesOptions): FastifyReply {
  const count = countLines(body)
  if (count > maxLines)
    throw new ProblemError('WAGGLE_BODY_TOO_LARGE', `The body has ${count} lines, and at most ${maxLines} are taken: send several requests`)
  if (count === 0) throw new ProblemError('WAGGLE_EMPTY_BODY', 'The body has no line: send a JSON value on each line')
  const requestOf = (line: Uint8Array, index: number) => {
    if (line.length > maxLineBytes)
      throw new ProblemError('WAGGLE_BODY_TOO_LARGE', `Line ${index + 1} has ${line.length} bytes, and a line has at most ${maxLineBytes}`)
    return options.requestOf(line, index)
  }
  const text = new BatchAnswers({ ...options, requestOf, textOf: lineOf, reader: () => readerOf(reply) }).of(linesIn(body), request)
  return reply
    .header('content-type', 'application/x-ndjson')
    .header('cache-control', 'no-store')
    .send(Readable.from(text, { objectMode: true, highWaterMark: 1 }))
}

function lineOf({ index, id, result }: AnsweredItem<Uint8Array>): string {
  const state =
    'outcome' in result
      ? stateOf(id, result.outcome, result.outcome.answer)
      : { request_id: id, state: 'failed', answer: null, problem: result.problem }
  return `${JSON.stringify({ index, ...state })}\n`
}

/** The lines that are not empty. */
function* linesIn(body: Uint8Array): Generator<Uint8Array> {
  for (const bytes of rawLines(body)) if (!isBlank(bytes)) yield bytes
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

const newline = 0x0a
const carriageReturn = 0x0d
export const maxLines = 10_000
export const maxLineBytes = 1024 * 1024
