import assert from 'node:assert/strict'
import { it } from 'node:test'
import { AcceptProcessor } from '../../../processor/swarm/accept-step.ts'
import type { ProcessorContext } from '../../../topology/processor-api.ts'
import { type Header, headerText, type NewRecord, textHeader } from '../../../topology/record.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import type { AcceptedRecord } from '../../../topology/swarm/ports/tracing.ts'

const own = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const begun = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true }

/** The `traceparent` that a record has behind the entrance, and the traces that were begun. */
function accepted(headers: readonly Header[], isRecorded: boolean) {
  const traces: AcceptedRecord[] = []
  const sent: NewRecord<string, Payload>[] = []
  const processor = new AcceptProcessor({
    gateway: 'door',
    bee: 'entrance',
    acceptedChild: 'accepted',
    requestChildren: ['next'],
    deadLetterChild: 'letters',
    replyTopics: { allows: () => false } as never,
    onFailure: () => assert.fail(),
    ...(isRecorded
      ? {
          beginTrace: (record: AcceptedRecord) => {
            traces.push(record)
            return begun
          },
        }
      : {}),
  })
  const place = { topic: 'waggle.gateway.door', partition: 0, offset: 3n }
  const forward = (record: NewRecord<string, Payload>, child: string) => {
    if (child === 'next') sent.push(record)
  }
  processor.init({ recordMetadata: place, currentSystemTime: 5000, taskId: '0_0', forward, commit: () => {} } as unknown as ProcessorContext<
    string,
    Payload
  >)
  const value: Payload = { kind: 'json', json: 1 }
  processor.process({ key: null, value, timestamp: 4000, headers: [textHeader('waggle-request-id', 'r'), ...headers] })
  return { traces, traceparent: headerText(sent[0]?.headers ?? [], 'traceparent'), place }
}

it('A record from a Kafka topic begins a trace if it has none and spans are recorded; otherwise its trace headers stay', () => {
  const { traces, traceparent, place } = accepted([], true)
  assert.deepEqual(traces, [{ gateway: 'door', id: 'r', place, at: 5000 }])
  assert.equal(traceparent, `00-${begun.traceId}-${begun.spanId}-01`)
  const withOwn = accepted([textHeader('traceparent', own)], true)
  assert.deepEqual([withOwn.traces, withOwn.traceparent], [[], own])
  assert.equal(accepted([textHeader('traceparent', 'nonsense')], true).traceparent, `00-${begun.traceId}-${begun.spanId}-01`)
  assert.deepEqual([accepted([], false).traceparent, accepted([textHeader('traceparent', own)], false).traceparent], [null, own])
})
