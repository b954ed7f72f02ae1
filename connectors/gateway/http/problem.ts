import type { FastifyReply } from 'fastify'
import type { BeeError } from '../../../topology/swarm/payload.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

/** RFC 9457, and what a caller of a swarm wants beside it. */
export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail: string
  /** Of the one error table. */
  readonly code: string
  readonly request_id: string
  readonly bee?: string
}

/** Thrown by routes; the error handler makes the answer. */
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

export function problemOfBee({ status, title, detail, code, bee }: BeeError, requestId: string): Problem {
  return { type: 'about:blank', title, status, detail, code, request_id: requestId, ...(bee === '' ? {} : { bee }) }
}

/** What anything thrown on the way to an answer is to the caller. */
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
    const status = statuses[thrown.code] ?? 500
    return problem(status, thrown.code, `${thrown.message}. ${thrown.next}`, status === 503 ? 2 : null)
  }
  const { code, statusCode, message } = thrown as { readonly code?: string; readonly statusCode?: number; readonly message?: string }
  const own = code === undefined ? undefined : ofFastify[code]
  if (own !== undefined) return problem(own.status, own.code, own.detail)
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return problem(statusCode, 'WAGGLE_BAD_REQUEST', message ?? '')
  if (statusCode === 503) return problem(503, 'WAGGLE_OVERLOADED', 'This process has more to do than it can at once', 1)
  return problem(500, 'WAGGLE_INTERNAL', 'Something went wrong here; the log of this process says what')
}

const statuses: { readonly [code: string]: number | undefined } = {
  WAGGLE_KEY_REUSED: 422,
  WAGGLE_NO_OUTCOME: 504,
  WAGGLE_STOPPING: 503,
  WAGGLE_DISK_FULL: 503,
  WAGGLE_LOG_WRITE_FAILED: 503,
  WAGGLE_CLOSED: 503,
  WAGGLE_UNKNOWN_GATEWAY: 404,
}

const ofFastify: { readonly [code: string]: { readonly status: number; readonly code: string; readonly detail: string } | undefined } = {
  FST_ERR_CTP_BODY_TOO_LARGE: {
    status: 413,
    code: 'WAGGLE_BODY_TOO_LARGE',
    detail: 'The body is larger than this gateway accepts (max_body_bytes)',
  },
  FST_REQ_FILE_TOO_LARGE: {
    status: 413,
    code: 'WAGGLE_BODY_TOO_LARGE',
    detail: 'A part of the body is larger than this gateway accepts (max_body_bytes)',
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    status: 415,
    code: 'WAGGLE_CONTENT_TYPE',
    detail: 'The Content-Type is none: write type/subtype, such as image/jpeg',
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: { status: 400, code: 'WAGGLE_BAD_BODY', detail: 'The body is not as long as its Content-Length says' },
}

const titles: { readonly [status: number]: string | undefined } = {
  400: 'The body is wrong',
  404: 'Not found',
  405: 'The method is not allowed here',
  408: 'The request took too long to arrive',
  413: 'The body is too large',
  415: 'The content type is not accepted',
  422: 'The input was refused',
  429: 'Too many requests',
  500: 'An internal error',
  503: 'Not now',
  504: 'The deadline passed',
}
