import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { type AnswerMemory, type AnswerReader, leastHeldBytes } from '../../../topology/swarm/request/whole-answers.ts'
import { onResponseEnd } from './response-end.ts'

const readers = new WeakMap<ServerResponse, AnswerReader>()

/** The caller of a response, as the reader of its answers. */
export function readerOf({ request, raw }: FastifyReply): AnswerReader {
  const known = readers.get(raw)
  if (known !== undefined) return known
  const closed = new AbortController()
  const reader: AnswerReader = { name: request.caller.name, closed: closed.signal, cut: () => void request.raw.socket.destroy() }
  readers.set(raw, reader)
  onResponseEnd(request.raw, raw, () => closed.abort())
  return reader
}

/**
 * Counts the bytes of an answer until the response has been written. An answer that was fetched from a claim store counts already, and so do the answers
 * of a batch, which are released one by one.
 */
export function countAnswer(reply: FastifyReply, bytes: number, memory: AnswerMemory): void {
  if (bytes >= leastHeldBytes && !readers.has(reply.raw)) memory.hold(bytes, readerOf(reply))
}

/** Counts the body of a response. A stream counts its answers itself. */
export function countBody(reply: FastifyReply, body: unknown, memory: AnswerMemory): void {
  countAnswer(reply, typeof body === 'string' ? Buffer.byteLength(body) : body instanceof Uint8Array ? body.byteLength : 0, memory)
}
