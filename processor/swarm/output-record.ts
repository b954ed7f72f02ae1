import type { CallReport } from '../../topology/async-step.ts'
import { type Header, type Record, textHeader } from '../../topology/record.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { payloadHeaders } from '../../topology/swarm/payload/payload-serde.ts'
import { batchSizeHeader, finishedHeader, sentHeader, startedHeader, valueHeaders } from '../../topology/swarm/request/headers.ts'
import { withInnerCall } from '../../topology/swarm/request/inner-calls.ts'

/**
 * Makes the output of a step: the input's record with another value. Headers about the request stay, and headers about the old value are replaced.
 * `before` is the bee before this step in the same sub-topology, which made the input; null if there is none. No topic has the result of this bee, so
 * the times of its call go into the header `waggle-inner-calls`.
 */
export function outputRecord<K>(
  input: Record<K, Payload>,
  value: Payload,
  report: CallReport | null,
  before: string | null = null,
): Record<K, Payload> {
  const headers: Header[] = []
  for (const header of input.headers) if (!valueHeaders.has(header.key)) headers.push(header)
  headers.push(...payloadHeaders(value))
  if (report !== null) {
    const started = textHeader(startedHeader, String(report.startedAt))
    headers.push(
      started,
      { key: finishedHeader, value: report.finishedAt === report.startedAt ? started.value : Buffer.from(String(report.finishedAt)) },
      report.batchSize === 1 ? batchOfOne : textHeader(batchSizeHeader, String(report.batchSize)),
    )
    if (report.reason !== 'alone') headers.push(textHeader(sentHeader, report.reason))
  }
  const inner = before === null ? null : withInnerCall(input.headers, before)
  if (inner !== null) headers.push(inner)
  return { key: input.key, value, timestamp: input.timestamp, headers }
}

const batchOfOne = textHeader(batchSizeHeader, '1')

/** The report of a call in the stream thread, which begins and ends at the same time. */
export function synchronousCall(now: number): CallReport {
  return { startedAt: now, finishedAt: now, batchSize: 1, reason: 'alone', attempts: 1 }
}
