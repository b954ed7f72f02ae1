import { DeadlineExceeded, type GatewayError, problemOf, Unavailable } from './gateway-error.ts'

export interface Exchange {
  readonly url: URL
  readonly method: 'GET' | 'POST'
  readonly headers: { readonly [name: string]: string }
  readonly body?: Uint8Array<ArrayBuffer>
  /** The time limit of all attempts together. */
  readonly timeoutMs: number
  /** True if the request states the remaining time in the header X-Timeout-Seconds. */
  readonly hasDeadline: boolean
  readonly retries: number
  readonly fetch: typeof fetch
  readonly signal?: AbortSignal
}

export interface Answer {
  readonly bytes: Uint8Array
  readonly contentType: string
}

/**
 * One call of a gateway. The request is sent until a final answer arrives. Every attempt has the same headers, and therefore the same idempotency
 * key. Broken connections and the statuses 429 and 503 are retried; any other status is final. Throws a GatewayError, or the reason of `signal`.
 */
export async function exchange(call: Exchange): Promise<Answer> {
  const endsAt = performance.now() + call.timeoutMs
  for (let retry = 0; ; retry++) {
    const leftMs = endsAt - performance.now()
    if (leftMs <= 0) throw late(call)
    const outcome = await attempt(call, leftMs)
    if (!('failure' in outcome)) return outcome
    const { failure, pauseMs } = outcome
    if (pauseMs === null || retry >= call.retries) throw failure
    const waitMs = Math.max(pauseMs, backOffMs(retry))
    if (performance.now() + waitMs >= endsAt) throw failure
    await wait(waitMs, call.signal)
  }
}

/** An attempt that gave no result. `pauseMs` is the shortest wait before the next attempt; null if there may be no next attempt. */
interface Failure {
  readonly failure: GatewayError
  readonly pauseMs: number | null
}

async function attempt(call: Exchange, leftMs: number): Promise<Answer | Failure> {
  const { url, method, headers, body, hasDeadline, signal } = call
  // The server answers 504 at the deadline. The attempt ends a little after the deadline, so that the answer 504 can arrive.
  const timeout = AbortSignal.timeout(Math.ceil(leftMs) + (hasDeadline ? graceMs : 0))
  try {
    const response = await call.fetch(url, {
      method,
      headers: hasDeadline ? { ...headers, 'x-timeout-seconds': (Math.max(leftMs, 1) / 1000).toFixed(3) } : headers,
      ...(body === undefined ? {} : { body }),
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    })
    const bytes = new Uint8Array(await response.arrayBuffer())
    if (response.ok) return { bytes, contentType: response.headers.get('content-type') ?? 'application/octet-stream' }
    return {
      failure: problemOf(response.status, bytes, response.headers.get('x-request-id')),
      pauseMs: response.status === 429 || response.status === 503 ? retryAfterMs(response) : null,
    }
  } catch (thrown) {
    signal?.throwIfAborted()
    if (timeout.aborted) return { failure: late(call), pauseMs: null }
    return { failure: unreachable(url, thrown), pauseMs: 0 }
  }
}

export function late({ url, timeoutMs }: Pick<Exchange, 'url' | 'timeoutMs'>): GatewayError {
  return new DeadlineExceeded({ status: null, detail: `${url.origin} gave no answer within ${timeoutMs} ms` })
}

export function unreachable(url: URL, thrown: unknown): GatewayError {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown
  const why = cause instanceof Error ? ('code' in cause && typeof cause.code === 'string' ? cause.code : cause.message) : String(cause)
  return new Unavailable({
    status: null,
    detail: `${url.origin} cannot be reached (${why}): start the swarm, or correct the address`,
    cause: thrown,
  })
}

export function retryAfterMs(response: Response): number {
  const seconds = Number(response.headers.get('retry-after') ?? 0)
  return Number.isFinite(seconds) ? Math.min(Math.max(0, seconds * 1000), maxPauseMs) : 0
}

/**
 * The pause before a retry. The first pause is 0.1 s, and each later pause is twice as long. The jitter keeps many clients from retrying at the same
 * time.
 */
export function backOffMs(retry: number): number {
  return Math.min(maxPauseMs, 100 * 2 ** retry) * (0.5 + Math.random() / 2)
}

export function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal?.addEventListener('abort', stop, { once: true })
  })
}

const graceMs = 5_000
const maxPauseMs = 10_000
