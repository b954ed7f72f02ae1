import { DatabaseError } from 'pg'
import type { Statement } from '../../topology/swarm/ports/postgres.ts'
import { Refused, saidBy, WaggleError } from '../../topology/waggle-error.ts'
import { errorCode } from '../system/error-code.ts'

/**
 * Turns an error of the driver or the server into an error of the bee. Codes are SQLSTATE:
 * https://www.postgresql.org/docs/current/errcodes-appendix.html. `shown` is the name of the database, without its password.
 */
export function postgresError(thrown: unknown, { shown, statement }: { readonly shown: string; readonly statement: Statement | null }): WaggleError {
  if (thrown instanceof WaggleError) return thrown
  const code = errorCode(thrown)
  if (isAway(thrown)) {
    return new WaggleError('WAGGLE_POSTGRES_AWAY', {
      message: `${shown} cannot be reached: ${saidBy(thrown) || code}`,
      next: 'See that the server runs and can be reached from here. Waggle tries again by itself.',
      cause: thrown,
    })
  }
  if (isLoginError(thrown, code)) {
    return new WaggleError('WAGGLE_POSTGRES_REFUSED', {
      message: `${shown} refuses the connection: ${saidBy(thrown)}`,
      next: 'Correct spec.db: its user, password, database and sslmode.',
      cause: thrown,
    })
  }
  if (code.startsWith('22') && code !== undividedZero) return new Refused(`a value does not fit the query: ${said(thrown, statement)}`)
  if (code === '57014') {
    return new WaggleError('WAGGLE_POSTGRES_QUERY', {
      message: 'the server ended the query, because it took too long or somebody cancelled it',
      next: 'Make the query faster, or raise spec.statement_seconds.',
      cause: thrown,
    })
  }
  return new WaggleError('WAGGLE_POSTGRES_QUERY', {
    message: `the query fails: ${said(thrown, statement)}`,
    next: code === '42501' ? 'Grant the right to the role of spec.db.' : 'Correct spec.query, or the tables that it names.',
    cause: thrown,
  })
}

/** True if the server accepts no connections now, or has closed a connection. */
export function isAway(thrown: unknown): boolean {
  if (thrown instanceof WaggleError) return thrown.code === 'WAGGLE_POSTGRES_AWAY'
  const code = errorCode(thrown)
  if (thrown instanceof DatabaseError) return code.startsWith('08') || code === '53300' || (code.startsWith('57P0') && code !== '57P04')
  return (
    networkCodes.has(code) ||
    /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered)/.test(saidBy(thrown))
  )
}

/** True for a conflict between transactions. The same statement may succeed when it is repeated. */
export function isConflict(thrown: unknown): boolean {
  return ['40001', '40P01', '55P03'].includes(errorCode(thrown))
}

/** True if a table has changed since the connection prepared the statement. Another connection can still run the statement. */
export function isStalePlan(thrown: unknown): boolean {
  return errorCode(thrown) === '0A000' && /cached plan/.test(saidBy(thrown))
}

function isLoginError(thrown: unknown, code: string): boolean {
  return (
    code.startsWith('28') ||
    code === '3D000' ||
    /^(CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_SSL)/.test(code) ||
    /SSL|SASL|password must be/i.test(saidBy(thrown))
  )
}

/** The server's message, with the names of parameters in place of `$1`, and with the position in the query. */
function said(thrown: unknown, statement: Statement | null): string {
  const named = saidBy(thrown).replace(/\$(\d{1,5})\b/g, (number, at: string) => {
    const name = statement?.parameters[Number(at) - 1]
    return name === undefined ? number : `:${name}`
  })
  const position = thrown instanceof DatabaseError ? Number(thrown.position) : Number.NaN
  const hint = thrown instanceof DatabaseError && thrown.hint !== undefined ? ` (${thrown.hint})` : ''
  return `${named}${hint}${statement !== null && position > 0 ? `, at ${statement.lineAndColumnOf(position - 1)} of the query` : ''}`
}

/** The code of a division by zero, which is usually a mistake in the query. */
const undividedZero = '22012'
const networkCodes: ReadonlySet<string> = new Set([
  ...[
    'ECONNREFUSED',
    'ECONNRESET',
    'ENOTFOUND',
    'EAI_AGAIN',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'EPIPE',
    'ENOENT',
    'EACCES',
    'EADDRNOTAVAIL',
  ],
])
