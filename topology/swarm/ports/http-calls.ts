/** Calls HTTP servers that this machine's settings allow. A call follows no redirect and uses no proxy. */
export interface HttpCalls {
  /** Checks that a host may be called, and sends nothing. Throws WAGGLE_HTTP_CALL_ADDRESS for a host that is not allowed. */
  check(url: URL): void
  /**
   * Sends a request. If the request may be repeated, tries up to `attempts` times within the deadline. Returns an answer with any status except 429
   * and 503. If the call is idempotent, an answer with another 5xx is not returned either. Throws WAGGLE_HTTP_CALL_AWAY if the server does not
   * answer, and WAGGLE_HTTP_CALL_REFUSED for an answer that cannot be used.
   */
  send(call: HttpCall): Promise<HttpAnswer>
}

export interface HttpCall {
  readonly method: string
  readonly url: URL
  /** The address as errors name it, without secrets. */
  readonly shown: string
  readonly headers: { readonly [name: string]: string }
  readonly body: Uint8Array | null
  /** True if the server may get the same request twice without harm. If false, a request is repeated only if the server has not taken it. */
  readonly isIdempotent: boolean
  readonly attempts: number
  /** The time limit of one attempt. */
  readonly attemptMs: number
  readonly maxAnswerBytes: number
  /** The time by which the answer is needed, in epoch milliseconds; null if there is no deadline. */
  readonly deadline: number | null
  readonly signal: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  /** The media type; empty if the answer names none. */
  readonly contentType: string
  readonly bytes: Uint8Array
  /** The address to which a redirect leads. */
  readonly location: string | null
}
