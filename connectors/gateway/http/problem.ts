import { STATUS_CODES } from 'node:http'
import type { FastifyReply } from 'fastify'
import { type ErrorCode, httpStatus, titleOf } from '../../../topology/error-codes.ts'
import { ownMember } from '../../../topology/own-member.ts'
import type { BeeError } from '../../../topology/swarm/payload/payload.ts'
import { mistakesIn } from '../../../topology/swarm/shown-mistakes.ts'
import type { SwarmMistake } from '../../../topology/swarm/swarm-management.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { callerText } from './caller-text.ts'

/** Problem details of RFC 9457, with an error code, the request's id, and the name of the bee that failed. */
export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail: string
  /** A code from the table of errors. */
  readonly code: string
  readonly request_id: string
  readonly bee?: string
  /** The mistakes in a swarm that the caller has sent, each with its place in the swarm. */
  readonly mistakes?: readonly SwarmMistake[]
}

/** An error that a route throws. The error handler turns it into a response. */
export class ProblemError extends Error {
  readonly code: ErrorCode
  readonly retryAfterSeconds: number | null

  constructor(code: ErrorCode, detail: string, retryAfterSeconds: number | null = null) {
    super(detail)
    this.code = code
    this.retryAfterSeconds = retryAfterSeconds
  }
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply.code(problem.status).header('content-type', 'application/problem+json').send(JSON.stringify(problem))
}

/** A complete HTTP response for a request that could not be parsed. The connection closes after the response. */
export function rawProblem({
  code,
  detail,
  requestId = '',
  retryAfterSeconds = null,
}: {
  readonly code: ErrorCode
  readonly detail: string
  readonly requestId?: string
  readonly retryAfterSeconds?: number | null
}): string {
  const { retryAfterSeconds: seconds, ...problem } = problemOf(new ProblemError(code, detail, retryAfterSeconds), requestId)
  const { status } = problem
  const body = JSON.stringify(problem)
  const more = `${seconds === null ? '' : `retry-after: ${seconds}\r\n`}${requestId === '' ? '' : `x-request-id: ${requestId}\r\n`}`
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${more}connection: close\r\n\r\n${body}`
}

export function problemOfBee({ status, title, detail, code, bee }: BeeError, requestId: string): Problem {
  return { type: 'about:blank', title, status, detail: callerText(detail), code, request_id: requestId, ...(bee === '' ? {} : { bee }) }
}

/** The problem that a caller gets for an error. The error's code decides the status. An error without a code gets the status 500 and no detail. */
export function problemOf(thrown: unknown, requestId: string): Problem & { readonly retryAfterSeconds: number | null } {
  const problem = (code: ErrorCode, detail: string, retryAfterSeconds: number | null = null) => {
    const status = httpStatus(code)
    return {
      type: 'about:blank' as const,
      title: titleOf(status),
      status,
      detail: callerText(detail),
      code,
      request_id: requestId,
      retryAfterSeconds,
    }
  }
  if (thrown instanceof ProblemError) return problem(thrown.code, thrown.message, thrown.retryAfterSeconds)
  if (thrown instanceof WaggleError) {
    const mistakes = thrown.code === 'WAGGLE_INVALID_SWARM' ? { mistakes: mistakesIn(thrown) } : {}
    return { ...problem(thrown.code, `${thrown.message}. ${thrown.next}`, httpStatus(thrown.code) === 503 ? 2 : null), ...mistakes }
  }
  const { code, statusCode, message } = thrown as { readonly code?: string; readonly statusCode?: number; readonly message?: string }
  const own = code === undefined ? undefined : ownMember(ofFastify, code)
  if (own !== undefined) return problem(own.code, own.detail)
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return problem('WAGGLE_BAD_REQUEST', message ?? '')
  return problem('WAGGLE_INTERNAL', 'Something went wrong here; the log of this process says what')
}

const ofFastify: { readonly [code: string]: { readonly code: ErrorCode; readonly detail: string } | undefined } = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { code: 'WAGGLE_CONTENT_TYPE', detail: 'The Content-Type is none: write type/subtype, such as image/jpeg' },
  FST_ERR_BAD_URL: { code: 'WAGGLE_BAD_URL', detail: 'The URL cannot be decoded: each % stands before two hexadecimal digits of UTF-8' },
  FST_ERR_MAX_PARAM_LENGTH: { code: 'WAGGLE_URL_TOO_LONG', detail: 'A name in the URL is longer than any name here' },
}
