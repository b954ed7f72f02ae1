import { isFields } from '../../../topology/fields.ts'
import { answerIn, bodyOf } from './body.ts'
import { type Answer, exchange } from './exchange.ts'
import { type GatewayError, problemIn } from './gateway-error.ts'
import { type RequestEvent, streamed } from './request-stream.ts'

export interface GatewayOptions {
  /** A bearer token. Default: the environment variable WAGGLE_TOKEN. */
  readonly token?: string
  /** The longest time of a call, including retries. Default: 30 s. */
  readonly timeoutMs?: number
  /** The number of retries after a broken connection, 429 or 503. Default: 4. */
  readonly retries?: number
  /** Default: the `fetch` of the platform. */
  readonly fetch?: typeof fetch
}

export interface CallOptions {
  /** The name of a `gateway-input` of the swarm. */
  readonly gateway: string
  /** The media type of a payload of bytes. Default: the type of the `Blob` or `Media`, else application/octet-stream. */
  readonly contentType?: string
  /** Requests with the same key are one request: the swarm computes it once, and each caller gets its answer. Default: a new key for each call. */
  readonly idempotencyKey?: string
  /** The deadline of the request: the swarm drops an older request. Default: for `request` the time limit of the client; for `submit` no deadline. */
  readonly timeoutMs?: number
  /** Additional headers, such as `traceparent`. */
  readonly headers?: { readonly [name: string]: string }
  /** Aborts the call. A request that the swarm has accepted continues. */
  readonly signal?: AbortSignal
}

export interface RequestState {
  readonly requestId: string
  readonly state: 'pending' | 'answered' | 'failed'
  /** The answer; undefined while there is none. An answer that is not JSON is `{ content_type, base64 }`. */
  readonly answer: unknown
  /** The error of a failed request. `get` returns this error and does not throw it. */
  readonly problem: GatewayError | null
}

/**
 * A client of a running swarm, for Node and for pages of the gateway's own origin.
 *
 * @example
 * ```ts
 * const gateway = new Gateway('http://127.0.0.1:8080')
 * const answer = await gateway.request({ name: 'Bee' }, { gateway: 'hello' })
 * const id = await gateway.submit({ name: 'Bee' }, { gateway: 'hello', idempotencyKey: 'order-7' })
 * const { state } = await gateway.get(id)
 * ```
 */
export class Gateway {
  readonly #url: URL
  readonly #token: string | undefined
  readonly #timeoutMs: number
  readonly #retries: number
  readonly #fetch: typeof fetch

  /**
   * @param url the address of the server. Default: WAGGLE_URL; on a page, the page's own origin; else WAGGLE_HOST and WAGGLE_HTTP_PORT, or
   * http://127.0.0.1:8080.
   * @throws TypeError for an address or an option that is not valid.
   */
  constructor(
    url: string | URL = usualUrl(),
    { token = environment('WAGGLE_TOKEN'), timeoutMs = 30_000, retries = 4, fetch: own }: GatewayOptions = {},
  ) {
    this.#url = addressOf(url)
    this.#token = token
    this.#timeoutMs = checkedTimeout(timeoutMs)
    if (!Number.isInteger(retries) || retries < 0) throw new TypeError(`retries is ${retries}: give 0 or more`)
    this.#retries = retries
    this.#fetch = own ?? ((input, init) => fetch(input, init))
  }

  /**
   * Sends a payload and waits for the answer: a JSON value, or `Media` for any other content type. A payload is anything that JSON can represent, or bytes.
   *
   * @throws GatewayError: `InputRefused`, `BeeFailed`, `DeadlineExceeded`, `Unavailable` and so on.
   * @example
   * ```ts
   * const { bytes } = await new Gateway().request(new Blob([photo], { type: 'image/jpeg' }), { gateway: 'thumbnails' })
   * ```
   */
  async request(payload: unknown, options: CallOptions): Promise<unknown> {
    const { bytes, contentType } = await this.#send('request', payload, options, options.timeoutMs ?? this.#timeoutMs)
    return answerIn(bytes, contentType)
  }

  /**
   * Sends a payload and returns the request's id as soon as the payload is durable. `get` returns the outcome later.
   *
   * @throws GatewayError
   * @example
   * ```ts
   * const id = await new Gateway().submit({ text: 'a long text' }, { gateway: 'summarize' })
   * ```
   */
  async submit(payload: unknown, options: CallOptions): Promise<string> {
    const { bytes } = await this.#send('submit', payload, options, options.timeoutMs ?? null)
    const accepted: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (isFields(accepted) && typeof accepted.request_id === 'string') return accepted.request_id
    throw new TypeError('The server gave no request id')
  }

  /**
   * Returns the state of a request, with its answer or its error.
   *
   * @throws `UnknownRequest`, or another GatewayError if the server cannot be asked.
   * @example
   * ```ts
   * const { state, answer, problem } = await new Gateway().get(id)
   * ```
   */
  async get(requestId: string, { signal, timeoutMs = this.#timeoutMs }: Pick<CallOptions, 'signal' | 'timeoutMs'> = {}): Promise<RequestState> {
    const { bytes } = await exchange({
      url: this.#at(`v1/requests/${encodeURIComponent(requestId)}`),
      method: 'GET',
      headers: this.#authorization(),
      timeoutMs: checkedTimeout(timeoutMs),
      hasDeadline: false,
      retries: this.#retries,
      fetch: this.#fetch,
      ...(signal === undefined ? {} : { signal }),
    })
    return stateIn(JSON.parse(new TextDecoder().decode(bytes)), requestId)
  }

  /**
   * Sends a payload and yields the events of the request as they arrive: the acceptance, each bee that has finished, each part that a bee publishes,
   * and finally the answer. If the connection breaks, the stream continues after the last event, at any process that answers. No event is lost, and
   * no event arrives twice.
   *
   * @throws GatewayError; also if the request failed.
   * @example
   * ```ts
   * for await (const event of new Gateway().stream({ question: 'Why?' }, { gateway: 'chat' })) {
   *   if (event.kind === 'part') process.stdout.write(String(event.part))
   * }
   * ```
   */
  async *stream(payload: unknown, options: CallOptions): AsyncGenerator<RequestEvent> {
    const { gateway, contentType, idempotencyKey = newKey(), headers, signal, timeoutMs = this.#timeoutMs } = options
    const body = await bodyOf(payload, contentType)
    yield* streamed({
      post: {
        url: this.#entrance(gateway, 'request', idempotencyKey),
        headers: { ...headers, ...this.#authorization(), 'content-type': body.contentType, 'idempotency-key': idempotencyKey },
        body: body.bytes,
      },
      events: { url: (id) => this.#at(`v1/requests/${encodeURIComponent(id)}/events`), headers: this.#authorization() },
      timeoutMs: checkedTimeout(timeoutMs),
      retries: this.#retries,
      fetch: this.#fetch,
      ...(signal === undefined ? {} : { signal }),
    })
  }

  async #send(verb: 'request' | 'submit', payload: unknown, options: CallOptions, timeoutMs: number | null): Promise<Answer> {
    const { gateway, contentType, idempotencyKey = newKey(), headers, signal } = options
    const url = this.#entrance(gateway, verb, idempotencyKey)
    const body = await bodyOf(payload, contentType)
    return exchange({
      url,
      method: 'POST',
      headers: { ...headers, ...this.#authorization(), 'content-type': body.contentType, 'idempotency-key': idempotencyKey },
      body: body.bytes,
      timeoutMs: checkedTimeout(timeoutMs ?? this.#timeoutMs),
      hasDeadline: timeoutMs !== null,
      retries: this.#retries,
      fetch: this.#fetch,
      ...(signal === undefined ? {} : { signal }),
    })
  }

  /** The address of a call. Throws a TypeError for a missing gateway, and for a key that an HTTP header cannot carry. */
  #entrance(gateway: unknown, verb: 'request' | 'submit', idempotencyKey: string): URL {
    if (typeof gateway !== 'string' || gateway === '') throw new TypeError("gateway is missing: give the name of the swarm's gateway-input")
    if (!/^[\x20-\x7e]{1,255}$/.test(idempotencyKey))
      throw new TypeError(`${JSON.stringify(idempotencyKey.slice(0, 80))} is no idempotency key: use 1 to 255 printable ASCII characters`)
    return this.#at(`v1/gateways/${encodeURIComponent(gateway)}/${verb}`)
  }

  #at(path: string): URL {
    return new URL(path, this.#url)
  }

  #authorization(): { readonly [name: string]: string } {
    return this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
  }
}

function addressOf(url: string | URL): URL {
  const address = URL.parse(String(url))
  if (address === null || !/^https?:$/.test(address.protocol))
    throw new TypeError(`${JSON.stringify(String(url))} is no address of a gateway: give one such as http://127.0.0.1:8080`)
  address.search = ''
  address.hash = ''
  if (!address.pathname.endsWith('/')) address.pathname += '/'
  return address
}

function usualUrl(): string {
  const location: unknown = Reflect.get(globalThis, 'location')
  const origin = isFields(location) && typeof location.origin === 'string' ? location.origin : undefined
  return environment('WAGGLE_URL') ?? origin ?? ownAddress()
}

/** The address at which Waggle listens when it has the environment variables of this process. */
function ownAddress(): string {
  const host = environment('WAGGLE_HOST') ?? '0.0.0.0'
  const port = environment('WAGGLE_HTTP_PORT') ?? '0'
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  return `http://${shown}:${port === '0' ? 8080 : port}`
}

/** A variable of the environment; undefined if the variable is empty, or if the platform has no environment. */
function environment(name: string): string | undefined {
  return globalThis.process?.env?.[name] || undefined
}

/** A random key. `crypto.randomUUID` is missing on pages that were loaded over plain HTTP. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function checkedTimeout(timeoutMs: number): number {
  if (timeoutMs > 0 && timeoutMs <= maxTimeoutMs) return timeoutMs
  throw new TypeError(`timeoutMs is ${timeoutMs}: give a number above 0 and at most ${maxTimeoutMs}`)
}

function stateIn(fields: unknown, requestId: string): RequestState {
  const { state, answer = null, problem = null } = isFields(fields) ? fields : {}
  if (state !== 'pending' && state !== 'answered' && state !== 'failed') throw new TypeError('The server gave no state of the request')
  return { requestId, state, answer, problem: isFields(problem) ? problemIn(problem, requestId) : null }
}

const maxTimeoutMs = 86_400_000
