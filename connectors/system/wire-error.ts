import type { ErrorCode } from '../../topology/error-codes.ts'
import { Unavailable, WaggleError } from '../../topology/waggle-error.ts'

/** An error in a form that another JavaScript thread can receive. Cloning an error loses its class. */
export interface WireError {
  readonly code: ErrorCode
  readonly message: string
  readonly next: string
  readonly place: string | null
  readonly isUnavailable: boolean
  readonly stack: string
  readonly cause: { readonly name: string; readonly message: string; readonly stack: string } | null
}

export function packError(thrown: unknown): WireError {
  const error = WaggleError.from('WAGGLE_WORKER_FAILED', thrown, { next: 'See the cause.' })
  const { code, message, next, place, cause } = error
  return {
    code,
    message,
    next,
    place: place ?? null,
    isUnavailable: error instanceof Unavailable,
    stack: error.stack ?? '',
    cause: cause === undefined ? null : causeOf(cause),
  }
}

export function unpackError({ code, message, next, place, isUnavailable, stack, cause }: WireError): WaggleError {
  const words = { message, next, ...(place === null ? {} : { place }), ...(cause === null ? {} : { cause: Object.assign(new Error(), cause) }) }
  const error = isUnavailable ? new Unavailable(code, words) : new WaggleError(code, words)
  error.stack = stack
  return error
}

function causeOf(cause: unknown): WireError['cause'] {
  if (!(cause instanceof Error)) return { name: 'Error', message: String(cause), stack: '' }
  return { name: cause.name, message: cause.message, stack: cause.stack ?? '' }
}
