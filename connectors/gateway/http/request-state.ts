import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { contentTypeOf, payloadSerde } from '../../../topology/swarm/payload/payload-serde.ts'
import type { Durable } from '../../../topology/swarm/request/durable.ts'
import type { FoundRequest } from '../../../topology/swarm/request/requests.ts'
import { callerText } from './caller-text.ts'
import { problemOfBee } from './problem.ts'

export function bytesOf(answer: Payload): Buffer {
  const bytes = payloadSerde.serialize('', forCaller(answer))
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Makes the errors in an answer of several parts fit for callers: `callerText` removes the inner details. */
function forCaller(answer: Payload): Payload {
  if (answer.kind === 'error') return { kind: 'error', error: { ...answer.error, detail: callerText(answer.error.detail) } }
  if (answer.kind !== 'joined') return answer
  return { kind: 'joined', parts: new Map([...answer.parts].map(([bee, part]) => [bee, forCaller(part)])) }
}

/** The state of a request, in the form for its caller. `answer` is the whole answer. */
export function stateOf(id: string, { state }: Durable<Pick<FoundRequest, 'state'>>, answer: Payload | null): object {
  return {
    request_id: id,
    // An answer that is no longer in its claim store is a failure, whatever the ledger says.
    state: answer?.kind === 'error' ? 'failed' : state,
    answer: answer === null || answer.kind === 'error' ? null : shownAnswer(answer),
    problem: answer?.kind === 'error' ? problemOfBee(answer.error, id) : null,
  }
}

/** The JSON value of an answer. Any other payload becomes an object with its content type and its bytes as base64. */
export function shownAnswer(answer: Payload): unknown {
  return answer.kind === 'json' ? answer.json : { content_type: contentTypeOf(answer), base64: bytesOf(answer).toString('base64') }
}
