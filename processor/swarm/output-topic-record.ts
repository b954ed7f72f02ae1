import type { TransformOutput } from '../../topology/operators/transform.ts'
import { type Record, textHeader } from '../../topology/record.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { deadlineHeader, requestIdHeader } from '../../topology/swarm/request/headers.ts'

/** A record for another application: with the request's own headers, and without Waggle's. */
export function outputTopicRecord({ key, value, timestamp, headers }: Record<string, Payload>, child: string): readonly TransformOutput[] {
  if (value.kind === 'error') return []
  const kept = headers.filter((header) => !header.key.startsWith('waggle-') || header.key === deadlineHeader)
  return [{ record: { key, value, timestamp, headers: [...kept, textHeader(requestIdHeader, key)] }, child }]
}
