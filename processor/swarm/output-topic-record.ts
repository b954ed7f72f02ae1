import type { TransformOutput } from '../../topology/operators/transform.ts'
import { type Header, type Record, textHeader } from '../../topology/record.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { contentTypeOf, payloadHeaders, payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import {
  attributeHeaders,
  attributePrefix,
  binaryEvent,
  cloudEventType,
  eventTime,
  structuredText,
} from '../../topology/swarm/request/cloud-event.ts'
import { contentTypeHeader, deadlineHeader, requestIdHeader } from '../../topology/swarm/request/headers.ts'

/** The CloudEvents that an output writes. */
export interface OutputEvent {
  readonly source: string
  readonly type: string
  readonly mode: 'binary' | 'structured'
}

/**
 * A record for another application. It has the request's own headers, and none of Waggle's. If an event came in, its attributes are left out, because
 * the value has changed. With `event`, the record is an event itself.
 */
export function outputTopicRecord(
  { key, value, timestamp, headers }: Record<string, Payload>,
  { child, event }: { readonly child: string; readonly event: OutputEvent | null },
): readonly TransformOutput[] {
  if (value.kind === 'error') return []
  const kept = headers.filter(
    (header) => !header.key.startsWith(attributePrefix) && (!header.key.startsWith('waggle-') || header.key === deadlineHeader),
  )
  const own = [...kept, textHeader(requestIdHeader, key)]
  if (event === null) return [{ record: { key, value, timestamp, headers: own }, child }]
  const made = eventOf({ key, value, timestamp }, event)
  return [
    { record: { key, value: made.value, timestamp, headers: [...own.filter((header) => header.key !== contentTypeHeader), ...made.headers] }, child },
  ]
}

function eventOf(
  { key, value, timestamp }: { readonly key: string; readonly value: Payload; readonly timestamp: number },
  { source, type, mode }: OutputEvent,
): { readonly value: Payload; readonly headers: readonly Header[] } {
  const attributes = { specversion: '1.0', id: key, source, type, time: eventTime(timestamp) }
  const event = binaryEvent(new Map(Object.entries(attributes)), payloadSerde.serialize('', value), contentTypeOf(value))
  if (mode === 'binary') return { value, headers: [...payloadHeaders(value), ...attributeHeaders(event)] }
  const text: Payload = { kind: 'bytes', contentType: cloudEventType, bytes: Buffer.from(structuredText(event)) }
  return { value: text, headers: payloadHeaders(text) }
}
