import type { FastifyReply } from 'fastify'
import type { AnswerReader } from '../../../topology/swarm/request/answers.ts'
import { onResponseEnd } from './response-end.ts'

/** The caller of a response, as the reader of an answer. */
export function readerOf({ request, raw }: FastifyReply): AnswerReader {
  const closed = new AbortController()
  onResponseEnd(request.raw, raw, () => closed.abort())
  return { name: request.caller.name, closed: closed.signal, cut: () => void request.raw.socket.destroy() }
}
