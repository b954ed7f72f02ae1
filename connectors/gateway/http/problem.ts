import { STATUS_CODES } from 'node:http'
import type { FastifyReply } from 'fastify'
import { ownMember } from '../../../topology/own-member.ts'
import type { BeeError } from '../../../topology/swarm/payload.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

/** Problem details of RFC 9457, with an error code, the request's id and the bee that failed. */
export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail: string
  /** A code of the error table. */
  readonly code: string
  readonly request_id: string
  readonly bee?: string
}

/** An error that a route throws. The error handler makes the response. */
export class ProblemError extends Error {
  readonly status: number
  readonly code: string
  readonly retryAfterSeconds: number | null

  constructor(status: number, code: `WAGGLE_${string}`, detail: string, retryAfterSeconds: number | null = null) {
    super(detail)
    this.status = status
    this.code = code
    this.retryAfterSeconds = retryAfterSeconds
  }
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply.code(problem.status).header('content-type', 'application/problem+json').send(JSON.stringify(problem))
}

/** A whole HTTP response, for a connection whose request could not be parsed. It closes the connection. */
export function rawProblem({
  status,
  code,
  detail,
  requestId = '',
  retryAfterSeconds = null,
}: {
  readonly status: number
  readonly code: `WAGGLE_${string}`
  readonly detail: string
  readonly requestId?: string
  readonly retryAfterSeconds?: number | null
}): string {
  const { retryAfterSeconds: seconds, ...problem } = problemOf(new ProblemError(status, code, detail, retryAfterSeconds), requestId)
  const body = JSON.stringify(problem)
  const more = `${seconds === null ? '' : `retry-after: ${seconds}\r\n`}${requestId === '' ? '' : `x-request-id: ${requestId}\r\n`}`
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${more}connection: close\r\n\r\n${body}`
}

export function problemOfBee({ status, title, detail, code, bee }: BeeError, requestId: string): Problem {
  return { type: 'about:blank', title, status, detail, code, request_id: requestId, ...(bee === '' ? {} : { bee }) }
}

/** The problem that a caller gets for an error. Errors without a known code become 500 and tell nothing of the inside. */
export function problemOf(thrown: unknown, requestId: string): Problem & { readonly retryAfterSeconds: number | null } {
  const problem = (status: number, code: string, detail: string, retryAfterSeconds: number | null = null) => ({
    type: 'about:blank' as const,
    title: titles[status] ?? 'The request failed',
    status,
    detail,
    code,
    request_id: requestId,
    retryAfterSeconds,
  })
  if (thrown instanceof ProblemError) return problem(thrown.status, thrown.code, thrown.message, thrown.retryAfterSeconds)
  if (thrown instanceof WaggleError) {
    const status = ownMember(statuses, thrown.code) ?? 500
    return problem(status, thrown.code, `${thrown.message}. ${thrown.next}`, status === 503 ? 2 : null)
  }
  const { code, statusCode, message } = thrown as { readonly code?: string; readonly statusCode?: number; readonly message?: string }
  const own = code === undefined ? undefined : ownMember(ofFastify, code)
  if (own !== undefined) return problem(own.status, own.code, own.detail)
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return problem(statusCode, 'WAGGLE_BAD_REQUEST', message ?? '')
  if (statusCode === 503) return problem(503, 'WAGGLE_OVERLOADED', 'This process has more to do than it can at once', 1)
  return problem(500, 'WAGGLE_INTERNAL', 'Something went wrong here; the log of this process says what')
}

const statuses: { readonly [code: string]: number | undefined } = {
  WAGGLE_KEY_REUSED: 422,
  WAGGLE_NO_OUTCOME: 504,
  WAGGLE_STARTING: 503,
  WAGGLE_STOPPING: 503,
  WAGGLE_DISK_FULL: 503,
  WAGGLE_LOG_WRITE_FAILED: 503,
  WAGGLE_CLOSED: 503,
  WAGGLE_UNKNOWN_GATEWAY: 404,
}

const ofFastify: { readonly [code: string]: { readonly status: number; readonly code: string; readonly detail: string } | undefined } = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    status: 415,
    code: 'WAGGLE_CONTENT_TYPE',
    detail: 'The Content-Type is none: write type/subtype, such as image/jpeg',
  },
  FST_ERR_BAD_URL: { status: 400, code: 'WAGGLE_BAD_URL', detail: 'The URL cannot be decoded: each % stands before two hexadecimal digits of UTF-8' },
  FST_ERR_MAX_PARAM_LENGTH: { status: 414, code: 'WAGGLE_BAD_URL', detail: 'A name in the URL is longer than any name here' },
}

const titles: { readonly [status: number]: string | undefined } = {
  400: 'The request is wrong',
  403: 'Not allowed',
  404: 'Not found',
  405: 'The method is not allowed here',
  408: 'The request took too long to arrive',
  413: 'The body is too large',
  414: 'The URL is too long',
  415: 'The content type is not accepted',
  417: 'The expectation cannot be met',
  421: 'Not this server',
  422: 'The input was refused',
  429: 'Too many requests',
  431: 'The headers are too large',
  500: 'An internal error',
  503: 'Not now',
  504: 'The deadline passed',
}
