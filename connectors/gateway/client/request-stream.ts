import { isFields } from '../../../topology/fields.ts'
import { type SentEvent, sentEvents } from './event-source.ts'
import { backOffMs, late, retryAfterMs, unreachable, wait } from './exchange.ts'
import { GatewayError, problemIn, problemOf } from './gateway-error.ts'

/** An event of a request. */
export type RequestEvent =
  | { readonly kind: 'accepted'; readonly requestId: string }
  /** A bee that has finished. `step` is the same as in a trace of the request. */
  | { readonly kind: 'bee'; readonly bee: string; readonly step: { readonly [name: string]: unknown } }
  /**
   * A part of a bee's result. The parts of a bee arrive in order, counted from 0. In a loop, each `round`, such as `LOOP=2`, has its own count. A
   * part that is not JSON is `{ content_type, base64 }`.
   */
  | { readonly kind: 'part'; readonly bee: string; readonly number: number; readonly round: string | null; readonly part: unknown }
  /** Parts may be missing, because the log of the server has already deleted them. The answer still has the result. */
  | { readonly kind: 'gap'; readonly requestId: string; readonly detail: string }
  /** The answer, which is the last event. An answer that is not JSON has the form `{ content_type, base64 }`. */
  | { readonly kind: 'answer'; readonly requestId: string; readonly answer: unknown }

export interface StreamCall {
  readonly post: { readonly url: URL; readonly headers: { readonly [name: string]: string }; readonly body: Uint8Array<ArrayBuffer> }
  readonly events: { readonly url: (requestId: string) => URL; readonly headers: { readonly [name: string]: string } }
  /** The time limit of the whole stream. */
  readonly timeoutMs: number
  /** The number of retries before the first event. After the first event only `timeoutMs` limits the retries. */
  readonly retries: number
  readonly fetch: typeof fetch
  readonly signal?: AbortSignal
}

/**
 * The events of one request. After a broken connection, the client asks for the events after the last received event. Until the request's id is
 * known, the client sends the request again with the same idempotency key.
 */
export async function* streamed(call: StreamCall): AsyncGenerator<RequestEvent> {
  const endsAt = performance.now() + call.timeoutMs
  const known: Known = { requestId: null, lastEventId: '' }
  for (let retry = 0; ; retry++) {
    const leftMs = endsAt - performance.now()
    if (leftMs <= 0) throw late({ url: call.post.url, timeoutMs: call.timeoutMs })
    const timeout = AbortSignal.timeout(Math.ceil(leftMs) + graceMs)
    const signal = call.signal === undefined ? timeout : AbortSignal.any([timeout, call.signal])
    let failure: GatewayError
    let pauseMs = 0
    try {
      const response = await begun(call, known, { leftMs, signal })
      if (!response.ok || response.body === null) {
        const problem = problemOf(response.status, new Uint8Array(await response.arrayBuffer()), response.headers.get('x-request-id'))
        if (response.status !== 429 && response.status !== 503) throw problem
        failure = problem
        pauseMs = retryAfterMs(response)
      } else {
        known.requestId ??= response.headers.get('x-request-id')
        for await (const sent of sentEvents(response.body)) {
          if (sent.id !== '') known.lastEventId = sent.id
          retry = 0
          const event = eventOf(sent, known.requestId ?? '')
          if (event !== null) yield event
          if (event?.kind === 'answer') return
        }
        failure = unreachable(call.post.url, new Error('the stream ended before the answer'))
      }
    } catch (thrown) {
      call.signal?.throwIfAborted()
      if (timeout.aborted) throw late({ url: call.post.url, timeoutMs: call.timeoutMs })
      if (thrown instanceof GatewayError) throw thrown
      failure = unreachable(call.post.url, thrown)
    }
    // A request that was accepted continues, so the client keeps retrying while a process restarts.
    if (known.lastEventId === '' && retry >= call.retries) throw failure
    await wait(Math.max(pauseMs, backOffMs(retry)), call.signal)
  }
}

interface Known {
  requestId: string | null
  lastEventId: string
}

function begun(
  { post, events, fetch }: StreamCall,
  { requestId, lastEventId }: Known,
  { leftMs, signal }: { readonly leftMs: number; readonly signal: AbortSignal },
): Promise<Response> {
  const accept = { accept: 'text/event-stream' }
  if (requestId !== null && lastEventId !== '')
    return fetch(events.url(requestId), { headers: { ...events.headers, ...accept, 'last-event-id': lastEventId }, signal })
  const deadline = { 'x-timeout-seconds': (Math.max(leftMs, 1) / 1000).toFixed(3) }
  return fetch(post.url, { method: 'POST', headers: { ...post.headers, ...accept, ...deadline }, body: post.body, signal })
}

/** The event of this client for an event of the server; null for a kind that a later version has added. Throws the error of a request that failed. */
function eventOf({ event, data }: SentEvent, requestId: string): RequestEvent | null {
  const fields: unknown = JSON.parse(data)
  if (!isFields(fields)) return null
  switch (event) {
    case 'accepted':
      return { kind: 'accepted', requestId }
    case 'bee':
      return { kind: 'bee', bee: String(fields.bee), step: fields }
    case 'part':
      return {
        kind: 'part',
        bee: String(fields.bee),
        number: Number(fields.number),
        round: typeof fields.round === 'string' ? fields.round : null,
        part: fields.part,
      }
    case 'gap':
      return { kind: 'gap', requestId, detail: String(fields.detail) }
    case 'answer':
      if (isFields(fields.problem)) throw problemIn(fields.problem, requestId)
      return { kind: 'answer', requestId, answer: fields.answer }
    default:
      return null
  }
}

const graceMs = 5_000
