import { highestPriority } from './caller-limits.ts'
import { everyScope, type Scopes } from './scopes.ts'

/** The program or person that sends a request. */
export interface Caller {
  /**
   * The owner of the caller's requests: `token:NAME`, `oidc:ISSUER#SUBJECT`, or empty where no token is needed. The name stays the same when a token
   * gets a new secret.
   */
  readonly name: string
  readonly scopes: Scopes
  /** The highest priority that the caller's requests may have: 0 to 9. */
  readonly maxPriority: number
}

/** The callers that a gateway knows. */
export interface Callers {
  /** False: there are no tokens. Everybody who reaches the port may send requests, and callers on this machine may manage. */
  readonly areKnown: boolean
  /**
   * The caller with this token; null if the token is unknown or no longer valid. Throws a ProblemError if the caller should learn why the token is
   * not valid.
   */
  find(token: string): Caller | null | Promise<Caller | null>
}

/** The caller of every request at a gateway without tokens. */
export const anybody: Caller = { name: '', scopes: everyScope, maxPriority: highestPriority }

/** The callers of a gateway without tokens. */
export const noTokens: Callers = { areKnown: false, find: () => null }
