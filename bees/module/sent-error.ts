import { Refused, WaggleError } from '../../topology/waggle-error.ts'
import type { SentError } from './module-messages.ts'

export function sentError(thrown: unknown): SentError {
  const error = WaggleError.from('WAGGLE_BEE_FAILED', thrown, { next: 'Correct the module.' })
  const { code, message, next, cause } = error
  const stack = (cause instanceof Error ? cause.stack : error.stack) ?? ''
  return { kind: 'thrown', code, isRefusal: thrown instanceof Refused, message, next, stack }
}

export function receivedError({ code, isRefusal, message, next, stack }: SentError): WaggleError {
  const error = isRefusal ? new Refused(message) : new WaggleError(code, { message, next })
  error.stack = stack
  return error
}
