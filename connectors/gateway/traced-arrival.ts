import type { Tracing } from '../../topology/swarm/ports/tracing.ts'
import type { NewRequest } from '../../topology/swarm/request/requests.ts'
import { type CarriedTrace, carried, parseTraceparent, traceparentText } from '../../topology/swarm/request/trace-context.ts'

/** The trace of a request at a gateway: what its caller sent, and its span if spans are recorded. */
export class TracedArrival {
  readonly #carried: CarriedTrace
  readonly #path: string | null
  #span: ReturnType<Tracing['begin']> | null = null
  /** The trace that the request belongs to; null without one. */
  traceId: string | null

  /** `path`: that of the HTTP request; null for gRPC. */
  constructor(headers: { readonly [name in keyof CarriedTrace]: string | null }, path: string | null) {
    this.#carried = carried(headers)
    this.#path = path
    this.traceId = parseTraceparent(this.#carried.traceparent ?? null)?.traceId ?? null
  }

  /** Begins the span, and returns what the request's record has of the trace. */
  begin(
    tracing: Tracing | undefined,
    request: { readonly gateway: string; readonly call: 'request' | 'submit'; readonly id: string },
  ): Pick<NewRequest, 'traceparent' | 'tracestate' | 'baggage'> {
    const span = tracing?.begin({ ...this.#carried, ...request, path: this.#path })
    if (span === undefined) return { ...this.#carried, traceparent: this.#carried.traceparent ?? null }
    this.#span = span
    this.traceId = span.context.traceId
    return { ...this.#carried, traceparent: traceparentText(span.context) }
  }

  /** Ends the span, if there is one, with the HTTP status of the answer. */
  end(status: number): void {
    this.#span?.end(status)
  }
}
