import { inputOf, payloadOf } from '../../bees/hosting/payload-input.ts'
import { ProblemError, problemOf, problemOfBee } from '../../connectors/gateway/http/problem.ts'
import { bodyHashOf, RequestIds } from '../../connectors/gateway/request-ids.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import type { Clock } from '../../processor/ports.ts'
import { type Header, textHeader } from '../../topology/record.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { contentTypeOf, payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import { bodyHashHeader, contentTypeHeader, deadlineHeader, requestIdHeader, traceParentHeader } from '../../topology/swarm/request/headers.ts'

/** The answer to a request, as over HTTP: the status of the outcome, and the answer or a problem as `body`. */
export interface Answer {
  readonly status: number
  readonly requestId: string
  /** The answer: JSON as a value, bytes as a Uint8Array, tensors as `{ tensors }`. After a failure, the members of `application/problem+json`. */
  readonly body: unknown
}

/** The parts of the record that a request becomes in its gateway's topic. */
export interface TestRequest {
  readonly id: string
  readonly bytes: Uint8Array
  readonly headers: readonly Header[]
  readonly bodyHash: string
}

/**
 * Makes requests from payloads and headers, as the HTTP gateway does. It uses these headers: Idempotency-Key, X-Timeout-Seconds, content-type and
 * traceparent.
 */
export class TestRequests {
  readonly #clock: Clock
  readonly #requestIds: RequestIds

  constructor(clock: Clock) {
    this.#clock = clock
    this.#requestIds = new RequestIds({ clock, random: new SystemRandom(), secret: new Uint8Array(0) })
  }

  /**
   * Makes a request for a gateway from a payload and headers. Throws WAGGLE_BEE_OUTPUT for a payload that cannot be sent, and a `ProblemError` for a
   * wrong header.
   */
  made(gateway: string, payload: unknown, given: { readonly [name: string]: string }): TestRequest {
    const headers = new Map(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]))
    const { bytes, contentType } = bodyOf(payload, headers.get('content-type'))
    const key = headers.get('idempotency-key')
    const id = key === undefined || key === '' ? this.#requestIds.fresh() : this.#requestIds.derived(gateway, '', key)
    const bodyHash = bodyHashOf(bytes, contentType)
    const traceparent = headers.get('traceparent')
    return {
      id,
      bytes,
      bodyHash,
      headers: [
        textHeader(contentTypeHeader, contentType),
        textHeader(requestIdHeader, id),
        textHeader(bodyHashHeader, key === undefined ? '' : bodyHash),
        textHeader(deadlineHeader, String(this.#clock.now() + timeoutMsOf(headers.get('x-timeout-seconds')))),
        ...(traceparent === undefined ? [] : [textHeader(traceParentHeader, traceparent)]),
      ],
    }
  }

  /** An id for a request that was refused before it had an id. */
  freshId(): string {
    return this.#requestIds.fresh()
  }
}

/** The answer for an outcome. */
export function answerOf(requestId: string, outcome: Payload): Answer {
  if (outcome.kind !== 'error') return { status: 200, requestId, body: inputOf(outcome) }
  return { status: outcome.error.status, requestId, body: problemOfBee(outcome.error, requestId) }
}

/** The answer for a request that the gateway itself refuses. */
export function refusalOf(requestId: string, error: ProblemError): Answer {
  const { retryAfterSeconds: _, ...problem } = problemOf(error, requestId)
  return { status: problem.status, requestId, body: problem }
}

function bodyOf(payload: unknown, contentType: string | undefined): { readonly bytes: Uint8Array; readonly contentType: string } {
  if (contentType !== undefined && typeof payload === 'string' && !/^application\/json\b/i.test(contentType))
    return { bytes: Buffer.from(payload), contentType }
  const made = payloadOf(payload, 'The test')
  return { bytes: payloadSerde.serialize('', made), contentType: contentType ?? contentTypeOf(made) }
}

function timeoutMsOf(text: string | undefined): number {
  if (text === undefined) return usualTimeoutMs
  const seconds = Number(text)
  if (text !== '' && seconds > 0 && seconds <= maxTimeoutSeconds) return seconds * 1000
  throw new ProblemError('WAGGLE_BAD_HEADER', `X-Timeout-Seconds is a number above 0 and at most ${maxTimeoutSeconds}, not ${text}`)
}

const usualTimeoutMs = 30_000
const maxTimeoutSeconds = 86_400
