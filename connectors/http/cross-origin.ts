import type { IncomingHttpHeaders } from 'node:http'

/** Headers of an answer, by their names. */
type Headers = { readonly [name: string]: string }

/**
 * The pages of other sites that may call this server from a browser (CORS, Fetch standard, section 3.2), by their origins. Answers never allow
 * credentials, so a page sends no cookie and no certificate of its visitor. The page needs a token instead.
 */
export class CrossOrigin {
  readonly #origins: ReadonlySet<string>

  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins.map((origin) => origin.toLowerCase()))
  }

  /** False if no page of another site may call. */
  get isOpen(): boolean {
    return this.#origins.size > 0
  }

  /** The origin of a request by a page that may call; null for any other request. */
  originOf({ origin }: IncomingHttpHeaders): string | null {
    return origin !== undefined && this.#origins.has(origin.toLowerCase()) ? origin : null
  }

  /** The headers that let a page read an answer. */
  answerTo(origin: string): Headers {
    return { 'access-control-allow-origin': origin, 'access-control-expose-headers': 'x-request-id, retry-after, www-authenticate, allow' }
  }

  /** The headers of an answer to a preflight. */
  preflightAnswer(origin: string, methods: readonly string[], headers: IncomingHttpHeaders): Headers {
    const isPrivate = headers['access-control-request-private-network'] === 'true'
    return {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': requestHeaders,
      'access-control-max-age': '600',
      ...(isPrivate ? { 'access-control-allow-private-network': 'true' } : {}),
    }
  }
}

/** True for the origin of a page in the form that a browser sends: without a path, and without the default port of the scheme. */
export function isOrigin(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:') && url.origin === text.toLowerCase() && !text.includes('*')
}

const requestHeaders =
  'authorization, content-type, content-encoding, accept, idempotency-key, x-timeout-seconds, x-priority, traceparent, last-event-id'
