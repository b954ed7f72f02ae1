import { type ErrorCode, httpStatus, titleOf } from '../../error-codes.ts'
import { clipped, WaggleError } from '../../waggle-error.ts'
import type { BeeError, ErrorPayload } from '../payload/payload.ts'

/** The caller's view of a failure at a bee. The status tells whether the caller or the swarm is at fault. */
export function beeError(error: WaggleError, bee: string): ErrorPayload {
  const own = httpStatus(error.code)
  const status = isOutcome(own) ? own : httpStatus('WAGGLE_BEE_FAILED')
  return { kind: 'error', error: { code: error.code, status, title: titleOf(status), detail: clipped(error.message), bee } }
}

/** An error instead of a value, with the status of its code. `bee` is empty if no bee is at fault. */
export function errorPayload({ code, detail, bee }: { readonly code: ErrorCode; readonly detail: string; readonly bee: string }): ErrorPayload {
  const status = httpStatus(code)
  return { kind: 'error', error: { code, status, title: titleOf(status), detail, bee } }
}

/** True for a failure that concerns the operator. Refusals and missed deadlines are normal outcomes. */
export function isFailure({ status }: BeeError): boolean {
  return !isOutcome(status)
}

export function deadlinePassed(detail: string): WaggleError {
  return new WaggleError('WAGGLE_DEADLINE', { message: detail, next: 'Send the request again with a longer X-Timeout-Seconds.' })
}

function isOutcome(status: number): boolean {
  return status === httpStatus('WAGGLE_REFUSED') || status === httpStatus('WAGGLE_DEADLINE')
}
