import { ProblemError } from '../http/problem.ts'
import type { RequestIds } from '../request-ids.ts'
import type { Caller, Callers } from './caller.ts'
import type { Scope } from './scopes.ts'

/** The refusal of a caller whose token is missing or not valid. `challenge` is the value of the header `WWW-Authenticate`. */
export class Unauthenticated extends ProblemError {
  readonly challenge: string

  constructor(code: 'WAGGLE_TOKEN_MISSING' | 'WAGGLE_TOKEN_UNKNOWN' | 'WAGGLE_TOKEN_REFUSED', detail: string) {
    super(code, detail)
    this.challenge = code === 'WAGGLE_TOKEN_MISSING' ? 'Bearer realm="waggle"' : 'Bearer realm="waggle", error="invalid_token"'
  }
}

/**
 * The caller for a value of `Authorization`: a header of HTTP, or metadata of gRPC. Throws Unauthenticated. Throws a ProblemError with 503 if nobody
 * can say now whether the token is valid.
 */
export async function knownCaller(authorization: string | undefined, callers: Callers): Promise<Caller> {
  const token = /^bearer +([A-Za-z0-9\-._~+/]+=*) *$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) {
    throw new Unauthenticated(
      'WAGGLE_TOKEN_MISSING',
      authorization === undefined ? 'The request has no token: send Authorization: Bearer TOKEN' : 'The header Authorization is not Bearer TOKEN',
    )
  }
  const found = callers.find(token)
  const caller = found instanceof Promise ? await found : found
  if (caller !== null) return caller
  throw new Unauthenticated('WAGGLE_TOKEN_UNKNOWN', 'The token is unknown, revoked or expired')
}

/**
 * The scope that a caller needs to see a request; null if the request is the caller's own, or if the caller may read all requests. The request's id
 * contains its owner.
 */
export function missingToSee(id: string, { name, scopes }: Caller, requestIds: RequestIds): Scope | null {
  return requestIds.isOf(id, name) || scopes.allow('read') ? null : 'read'
}

export function scopeMissing(scope: Scope): ProblemError {
  return new ProblemError('WAGGLE_SCOPE_MISSING', `The token may not do this: it lacks the scope ${scope}`)
}
