import type { AsyncCall, AsyncWorker } from '../../topology/async-step.ts'
import type { Header, RecordMetadata } from '../../topology/record.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { CallSpan, Tracing } from '../../topology/swarm/ports/tracing.ts'
import type { BeeResult } from '../../topology/swarm/request/answered.ts'
import { callSpan, traceContextOf, withTraceContext } from '../../topology/swarm/request/trace-context.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

type Call = AsyncWorker<string, Payload, Payload, BeeResult>['call']

export interface TracedBee {
  readonly tracing: Tracing
  readonly now: () => number
  readonly swarm: string
  readonly bee: string
  readonly type: string
}

/**
 * Wraps the calls of a bee, so that each request whose trace is recorded gets a span. The bee sees its own span as the request's `traceparent`, so
 * that the calls of the bee belong to that span. The spans of a hanging call are made when the call is aborted.
 */
export function tracedCalls({ tracing, now, ...bee }: TracedBee, call: Call): Call {
  return async (rows, calls) => {
    const traced = calls.map((one) => new OpenSpan(one, bee))
    if (traced.every(({ span }) => span === null)) return call(rows, calls)
    const startedAt = now()
    const [first] = calls
    const end = once(({ outcomeOf, isRepeated }: Ended) => {
      first?.signal.removeEventListener('abort', abort)
      const spans = traced.flatMap((one, at) => one.ended(outcomeOf(at)))
      tracing.called({ ...bee, startedAt, finishedAt: now(), rows: rows.length, isRepeated, spans })
    })
    const abort = () => end({ outcomeOf: () => first?.signal.reason, isRepeated: false })
    first?.signal.addEventListener('abort', abort, { once: true })
    try {
      const outcomes = await call(
        rows,
        traced.map(({ call: one }) => one),
      )
      end({ outcomeOf: (at) => outcomes[at], isRepeated: false })
      return outcomes
    } catch (thrown) {
      // The engine tries the rows of a failed batch one by one. Each row then gets a separate span, with the id that it would have here.
      end({ outcomeOf: () => thrown, isRepeated: rows.length > 1 })
      throw thrown
    }
  }
}

interface Ended {
  readonly outcomeOf: (at: number) => unknown
  readonly isRepeated: boolean
}

/** The call of one request, with its span; null if its trace is not recorded. */
class OpenSpan {
  readonly call: AsyncCall<string>
  readonly span: Omit<CallSpan, 'error'> | null

  constructor(call: AsyncCall<string>, bee: { readonly swarm: string; readonly bee: string }) {
    const { key: requestId, headers, attempt, metadata: place } = call
    const parent = traceContextOf(headers)
    const context = callSpan(headers, { ...bee, id: requestId, attempt })
    this.span = parent === null || context === null ? null : { context, parentSpanId: parent.spanId, requestId, attempt, place }
    this.call = context === null ? call : new CallIn(call, withTraceContext(headers, context))
  }

  ended(outcome: unknown): readonly CallSpan[] {
    if (this.span === null) return []
    const error =
      outcome instanceof WaggleError ? outcome : outcome instanceof Error ? WaggleError.from('WAGGLE_BEE_FAILED', outcome, { next: '' }) : null
    return [{ ...this.span, error: error === null ? null : { code: error.code, message: error.message } }]
  }
}

/** A copy of a call whose headers name the span. */
class CallIn implements AsyncCall<string> {
  readonly key: string
  readonly value: unknown
  readonly timestamp: number
  readonly headers: readonly Header[]
  readonly attempt: number
  readonly metadata: RecordMetadata
  readonly #call: AsyncCall<string>

  constructor(call: AsyncCall<string>, headers: readonly Header[]) {
    this.key = call.key
    this.value = call.value
    this.timestamp = call.timestamp
    this.headers = headers
    this.attempt = call.attempt
    this.metadata = call.metadata
    this.#call = call
  }

  get signal(): AbortSignal {
    return this.#call.signal
  }
}

function once<T>(act: (value: T) => void): (value: T) => void {
  let isDone = false
  return (value) => {
    if (isDone) return
    isDone = true
    act(value)
  }
}
