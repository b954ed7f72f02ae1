import { clipped, WaggleError } from '../waggle-error.ts'
import type { BeeError, ErrorPayload } from './payload.ts'

/** The caller's view of a failure at a bee. The status depends on whose fault it is. */
export function beeError(error: WaggleError, bee: string): ErrorPayload {
  const { status, title } = kinds.get(error.code) ?? { status: 502, title: 'A bee failed' }
  return { kind: 'error', error: { code: error.code, status, title, detail: clipped(error.message), bee } }
}

/** Refusals and missed deadlines are normal outcomes. Anything else is a failure for the operator of the swarm. */
export function isFailure(error: BeeError): boolean {
  return error.status !== 422 && error.status !== 504
}

export function deadlinePassed(detail: string): WaggleError {
  return new WaggleError('WAGGLE_DEADLINE', { message: detail, next: 'Send it again with a longer X-Timeout-Seconds.' })
}

const kinds: ReadonlyMap<string, { readonly status: number; readonly title: string }> = new Map([
  ['WAGGLE_REFUSED', { status: 422, title: 'The input was refused' }],
  ['WAGGLE_DEADLINE', { status: 504, title: 'The deadline passed' }],
  ['WAGGLE_JOIN_TIMEOUT', { status: 504, title: 'Not all inputs came in time' }],
])
