import type { AsyncCall } from '../../topology/async-step.ts'
import { type Header, headerText } from '../../topology/record.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { contentTypeOf } from '../../topology/swarm/payload/payload-serde.ts'
import { isNotTaken } from '../../topology/swarm/request/branches.ts'
import { batchSizeHeader, deadlineOf, finishedHeader, startedHeader } from '../../topology/swarm/request/headers.ts'
import { callIdOf } from '../../topology/swarm/request/rounds.ts'
import type { BeeRequest } from '../define-bee.ts'
import type { RequestParts } from './request-parts.ts'

/** The request to which an input belongs. Headers, signal and source are made on demand, because most bees do not read them. */
export function beeRequest(call: Omit<AsyncCall<string>, 'value'>, input: Payload, parts: RequestParts): BeeRequest {
  const { key: id, headers, metadata, attempt, timestamp } = call
  return {
    id,
    get callId() {
      return callIdOf(id, headers)
    },
    get headers() {
      return headers.map(({ key, value }) => ({ key, value: value === null ? null : new Uint8Array(value) }))
    },
    contentType: contentTypeOf(input),
    notTaken: input.kind === 'joined' ? [...input.parts].flatMap(([bee, part]) => (isNotTaken(part) ? [bee] : [])) : none,
    deadline: deadlineOf(headers),
    get signal() {
      return call.signal
    },
    attempt,
    parts: parts.earlier,
    beginParts: () => parts.begin(),
    get source() {
      return {
        bee: metadata.topic.slice(metadata.topic.lastIndexOf('.') + 1),
        topic: metadata.topic,
        partition: metadata.partition,
        offset: metadata.offset,
        timestamp,
        startedAt: numberIn(headers, startedHeader),
        finishedAt: numberIn(headers, finishedHeader),
        batchSize: numberIn(headers, batchSizeHeader),
      }
    },
  }
}

function numberIn(headers: readonly Header[], key: string): number | null {
  const text = headerText(headers, key)
  const value = text === null ? Number.NaN : Number(text)
  return Number.isSafeInteger(value) && value >= 0 ? value : null
}

const none: readonly string[] = Object.freeze([])
