import type { Record, RecordMetadata } from '../../topology/record.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { Tracing } from '../../topology/swarm/ports/tracing.ts'
import { callSpan, traceContextOf, withTraceContext } from '../../topology/swarm/request/trace-context.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'

/** A call of a synchronous bee. */
export interface SynchronousCall {
  readonly bee: SwarmBee
  /** The id of the request. */
  readonly id: string
  readonly input: Pick<Record<string, unknown>, 'headers'>
  readonly place: RecordMetadata | null
  /** Epoch milliseconds, when the call began and ended. */
  readonly at: number
  readonly error: WaggleError | null
}

/**
 * Records the spans of synchronous bees, which have no call of their own. Their time in the thread is below a millisecond, so a span has one time. The
 * id of a span is that of any call (`callSpan`), so a record that is read again gets the same.
 */
export class SynchronousSpans {
  readonly #swarm: string
  readonly #tracing: Pick<Tracing, 'called'> | null

  /** `tracing` is null if no spans are recorded. */
  constructor(swarm: string, tracing: Pick<Tracing, 'called'> | null) {
    this.#swarm = swarm
    this.#tracing = tracing
  }

  /** Records the span of a call. The returned function moves an output of the call to the span's place in the trace. */
  called({ bee, id, input, place, at, error }: SynchronousCall): <R extends Pick<Record<string, unknown>, 'headers'>>(output: R) => R {
    const parent = this.#tracing === null ? null : traceContextOf(input.headers)
    const context = parent === null ? null : callSpan(input.headers, { swarm: this.#swarm, bee: bee.name, id, attempt: 1 })
    if (parent === null || context === null) return (output) => output
    this.#tracing?.called({
      ...{ swarm: this.#swarm, bee: bee.name, type: bee.type.type, startedAt: at, finishedAt: at, rows: 1, isRepeated: false },
      spans: [
        {
          ...{ context, parentSpanId: parent.spanId, requestId: id, attempt: 1, place },
          error: error === null ? null : { code: error.code, message: error.message },
        },
      ],
    })
    return (output) => ({ ...output, headers: withTraceContext(output.headers, context) })
  }
}
