import { highestPriority } from './caller-limits.ts'
import { everyScope, type Scopes } from './scopes.ts'

/** The program or person behind a request. */
export interface Caller {
  /**
   * The owner of its requests: `token:NAME`, `oidc:ISSUER#SUBJECT`, and empty where nobody needs a token. It stays the same when a token gets a new
   * secret.
   */
  readonly name: string
  readonly scopes: Scopes
  /** The highest priority that its requests may have: 0 to 9. */
  readonly maxPriority: number
}

/** The callers that a gateway knows. */
export interface Callers {
  /** False: there are no tokens. Everybody who reaches the port may ask, and callers of this machine may manage. */
  readonly areKnown: boolean
  /** The caller with this token; null if the token is unknown or no longer valid. Throws a ProblemError where the reason is known. */
  find(token: string): Caller | null | Promise<Caller | null>
}

/** Every caller of a gateway without tokens. */
export const anybody: Caller = { name: '', scopes: everyScope, maxPriority: highestPriority }

/** A gateway without tokens. */
export const noTokens: Callers = { areKnown: false, find: () => null }
