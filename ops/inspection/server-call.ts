import { apiVersion, apiVersionHeader } from '../../topology/api-version.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { bearer } from './bearer.ts'
import { problemOf } from './http-problem.ts'

/** A running server. `token` is the token that the server needs; empty for no token. */
export interface Server {
  readonly url: string
  readonly token: string
}

export interface ServerCall {
  readonly method: string
  readonly path: string
  /** The body, which is sent as JSON. */
  readonly body?: unknown
  /** The body as text, which is sent unchanged, instead of `body`. */
  readonly text?: string
  readonly signal?: AbortSignal
}

/**
 * Calls a server, and returns the JSON of its answer; null for an empty answer. Throws WAGGLE_UNREACHABLE if the server does not answer, and the
 * error of `problemOf` if the server refuses.
 */
export async function callServer({ url, token }: Server, { method, path, body, text, signal }: ServerCall): Promise<unknown> {
  const response = await send(url, `${url}${path}`, {
    method,
    headers: { ...bearer(token), [apiVersionHeader]: String(apiVersion), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(text === undefined ? {} : { body: text }),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: signal ?? AbortSignal.timeout(answerMs),
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  if (!response.ok) throw isOlder(response) ? olderServer(url, response) : problemOf(response, bytes)
  return bytes.length === 0 ? null : (JSON.parse(bytes.toString()) as unknown)
}

/** True if the server is older than this command, and therefore does not know the call. */
function isOlder(response: Response): boolean {
  return (response.status === 404 || response.status === 405) && Number(response.headers.get(apiVersionHeader) ?? 0) < apiVersion
}

function olderServer(url: string, response: Response): WaggleError {
  const version = response.headers.get(apiVersionHeader)
  return new WaggleError('WAGGLE_CLIENT_VERSION', {
    message: `${url} ${version === null ? 'tells no version of the API' : `speaks version ${version} of the API`}, this command speaks version ${apiVersion}, and the server answers ${response.status}`,
    next: 'Update the server, or use the commands of its version. See that the address is the address of a Waggle server.',
  })
}

async function send(origin: string, url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (thrown) {
    const { cause, name } = thrown as { readonly cause?: { readonly code?: string; readonly message?: string }; readonly name?: string }
    throw unreachable(origin, cause?.code ?? cause?.message ?? name ?? String(thrown), thrown)
  }
}

export function unreachable(origin: string, why: string, cause: unknown): WaggleError {
  return new WaggleError('WAGGLE_UNREACHABLE', {
    message: `${origin} cannot be reached (${why})`,
    next: 'Start a swarm with `waggle run FILE`, or say with --url where it runs.',
    cause,
  })
}

/** The time limit for a response that the server sends at once, in ms. */
export const answerMs = 30_000
/** The time limit for a call that starts a swarm, in ms. A model has 15 minutes to open on a GPU. */
export const longCallMs = 15 * 60_000
