import type { LineOrigin } from '../../topology/swarm/ports/processes.ts'

/** A line that a bee's process has written for the log. */
export interface LoggedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly origin: LineOrigin
}

/**
 * The level and the request of a line of standard error, in the form of bees/PROTOCOL.md, "Lines of the log". Any other line is a message at `info`.
 * The process may write any text, so each member has a bound. A member that does not fit is left out.
 */
export function loggedLine(line: string): LoggedLine {
  const plain = { level: 'info', message: line, origin: {} } as const
  if (!line.startsWith(recordSeparator)) return plain
  const fields = objectIn(line.slice(recordSeparator.length))
  if (fields === null || typeof fields.message !== 'string') return plain
  const { message, level, request_id: id, request_ids: ids, requests } = fields
  return {
    level: level === 'debug' || level === 'warn' || level === 'error' ? level : 'info',
    message,
    origin: {
      ...(isId(id) ? { request_id: id } : {}),
      ...(Array.isArray(ids) && ids.some(isId) ? { request_ids: ids.filter(isId).slice(0, maxIds).join(' ') } : {}),
      ...(Number.isSafeInteger(requests) ? { requests: Number(requests) } : {}),
    },
  }
}

/** The origin without the requests that the process does not have. A process prints texts of callers, and such a text may name any request. */
export function ownOrigin(origin: LineOrigin, hasRequest: (id: string) => boolean): LineOrigin {
  const { request_id: id, request_ids: ids, ...rest } = origin
  const own = ids?.split(' ').filter(hasRequest) ?? []
  return {
    ...rest,
    ...(id !== undefined && hasRequest(id) ? { request_id: id } : {}),
    ...(own.length > 0 ? { request_ids: own.join(' ') } : {}),
  }
}

function objectIn(text: string): { readonly [name: string]: unknown } | null {
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === 'object' && json !== null ? (json as { readonly [name: string]: unknown }) : null
  } catch {
    return null
  }
}

function isId(id: unknown): id is string {
  return typeof id === 'string' && /^[\x21-\x7e]{1,256}$/.test(id)
}

/** The character that begins a record of JSON text sequences (RFC 7464). Ordinary text does not contain this character. */
const recordSeparator = '\x1e'
const maxIds = 10
