import { Metadata, type StatusObject, status } from '@grpc/grpc-js'
import { clipped } from '../../../topology/waggle-error.ts'
import { type Problem, problemOf } from '../http/problem.ts'
import { BeeFailure } from './bee-failure.ts'

/** The gRPC status of a call for an error. As in HTTP, the error's code decides the status. */
export function statusOf(thrown: unknown, requestId: string): StatusObject {
  if (thrown instanceof BeeFailure) return statusOfProblem(thrown.problem)
  const { retryAfterSeconds, ...problem } = problemOf(thrown, requestId)
  return statusOfProblem(problem, retryAfterSeconds)
}

/** The status for a problem. The trailers contain the code of the error table, the request's id, and the seconds until a retry. */
function statusOfProblem({ status: httpStatus, detail, code, request_id, bee }: Problem, retryAfterSeconds: number | null = null): StatusObject {
  const metadata = new Metadata()
  metadata.set('waggle-error', code)
  if (request_id !== '') metadata.set('x-request-id', request_id)
  if (bee !== undefined) metadata.set('waggle-bee', bee)
  if (retryAfterSeconds !== null) metadata.set('retry-after', String(retryAfterSeconds))
  const text = `${bee === undefined ? '' : `${bee}: `}${clipped(detail)}`
  return { code: codeOf(httpStatus, code), details: text.slice(0, maxDetails).toWellFormed(), metadata }
}

/** The limit of the details in trailers. Clients refuse trailers of more than 8 KiB, and a character takes up to nine bytes there. */
const maxDetails = 800

function codeOf(httpStatus: number, code: string): status {
  if (code === 'WAGGLE_STOPPING') return status.UNAVAILABLE
  return byHttpStatus.get(httpStatus) ?? (httpStatus < 500 ? status.INVALID_ARGUMENT : status.INTERNAL)
}

const byHttpStatus: ReadonlyMap<number, status> = new Map([
  [401, status.UNAUTHENTICATED],
  [403, status.PERMISSION_DENIED],
  [404, status.NOT_FOUND],
  [408, status.DEADLINE_EXCEEDED],
  [413, status.RESOURCE_EXHAUSTED],
  [421, status.PERMISSION_DENIED],
  [429, status.RESOURCE_EXHAUSTED],
  [503, status.RESOURCE_EXHAUSTED],
  [504, status.DEADLINE_EXCEEDED],
])
