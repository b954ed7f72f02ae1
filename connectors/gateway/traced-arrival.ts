import type { Tracing } from '../../topology/swarm/ports/tracing.ts'
import type { NewRequest } from '../../topology/swarm/request/requests.ts'
import { type CarriedTrace, carried, parseTraceparent, traceparentText } from '../../topology/swarm/request/trace-context.ts'

/** The trace of a request at a gateway: the trace headers of the caller, and the request's span if spans are recorded. */
export class TracedArrival {
  readonly #carried: CarriedTrace
  readonly #path: string | null
  #span: ReturnType<Tracing['begin']> | null = null
  /** The trace that the request belongs to; null if it belongs to none. */
  traceId: string | null

  /** `path`: the path of the HTTP request; null for gRPC. */
  constructor(headers: { readonly [name in keyof CarriedTrace]: string | null }, path: string | null) {
    this.#carried = carried(headers)
    this.#path = path
    this.traceId = parseTraceparent(this.#carried.traceparent ?? null)?.traceId ?? null
  }

  /** Begins the span, and returns the trace fields for the request's record. */
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

  /** Ends the span with the HTTP status of the answer. Does nothing if there is no span. */
  end(status: number): void {
    this.#span?.end(status)
  }
}
