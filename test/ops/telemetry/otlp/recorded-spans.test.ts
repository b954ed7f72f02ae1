import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import type { OtlpSettings } from '../../../../ops/telemetry/otlp/otlp-settings.ts'
import { RecordedSpans } from '../../../../ops/telemetry/otlp/recorded-spans.ts'
import { SimulatedRandom } from '../../../../processor/simulation/simulated-random.ts'
import type { CallSpan } from '../../../../topology/swarm/ports/tracing.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const parentId = '00f067aa0ba902b7'
const always = { isParentBased: true, root: 'on', ratio: 1 } as const

function scene(sampler: OtlpSettings['sampler'] = always, maxLinks = 128) {
  const spans: ReadableSpan[] = []
  const processor = { onEnd: (span: ReadableSpan) => void spans.push(span) }
  let now = 1_796_000_000_000
  const clock = { now: () => now }
  const tracing = new RecordedSpans({
    processor,
    resource: resourceFromAttributes({}),
    clock,
    random: new SimulatedRandom(1),
    settings: { sampler, maxLinks },
  })
  const begin = (id: string, flags: string | null) =>
    tracing.begin({
      gateway: 'g',
      call: 'request',
      id,
      path: '/v1/gateways/g/request',
      ...(flags === null ? {} : { traceparent: `00-${traceId}-${parentId}-${flags}` }),
    })
  const pass = (ms: number) => {
    now += ms
  }
  return { spans, tracing, begin, pass }
}

function callSpanOf(at: number): CallSpan {
  const context = { traceId, spanId: (at + 1).toString(16).padStart(16, '0'), isSampled: true }
  return { context, parentSpanId: parentId, requestId: `r${at}`, attempt: 1, place: { topic: 't', partition: 0, offset: 7n }, error: null }
}

const call = { swarm: 's', bee: 'b', type: 'module', startedAt: 1000, finishedAt: 1500, isRepeated: false }

describe('The span of a request', () => {
  it('continues the caller’s trace, and has the time and the outcome', () => {
    const { spans, begin, pass } = scene()
    const { context, end } = begin('r', '01')
    pass(1250)
    end(503)
    const [span] = spans
    assert.deepEqual([context.traceId, context.isSampled, span?.spanContext().spanId], [traceId, true, context.spanId])
    assert.deepEqual([span?.parentSpanContext?.spanId, span?.kind, span?.status.code], [parentId, SpanKind.SERVER, SpanStatusCode.ERROR])
    assert.deepEqual(
      [span?.duration, span?.endTime],
      [
        [1, 250_000_000],
        [1_796_000_001, 250_000_000],
      ],
    )
    assert.equal(span?.attributes['http.response.status_code'], 503)
  })

  it('begins a trace with the digits of the request’s id', () => {
    const { spans, begin } = scene()
    begin('01a22d62-c5f9-75ae-ba0e-51770590d692', null).end(200)
    assert.deepEqual([spans[0]?.spanContext().traceId, spans[0]?.parentSpanContext], ['01a22d62c5f975aeba0e51770590d692', undefined])
  })

  it('is not recorded if the caller or the sampler says so, and the trace continues unrecorded', () => {
    const { spans, begin } = scene()
    const { context, end } = begin('r', '00')
    end(200)
    assert.deepEqual([context.isSampled, context.traceId, spans.length], [false, traceId, 0])
    const off = scene({ isParentBased: false, root: 'off', ratio: 1 })
    assert.equal(off.begin('r', '01').context.isSampled, false)
    const part = scene({ isParentBased: true, root: 'ratio', ratio: 0.25 })
    const sampled = Array.from({ length: 4000 }, (_, at) => part.begin(`request ${at}`, null).context.isSampled).filter(Boolean).length
    assert.ok(sampled > 800 && sampled < 1200, String(sampled))
  })
})

describe('The span of a record that arrived without a trace', () => {
  it('is the same when the record is read again', () => {
    const { spans, tracing } = scene()
    const record = { gateway: 'g', id: 'r', place: { topic: 't', partition: 1, offset: 2n }, at: 1000 }
    assert.deepEqual(tracing.accepted(record), tracing.accepted({ ...record, at: 2000 }))
    assert.deepEqual([spans[0]?.kind, spans[0]?.attributes['messaging.destination.name']], [SpanKind.CONSUMER, 't'])
  })
})

describe('The spans of a call', () => {
  it('have links to the batch and back, up to the number in the setting', () => {
    const { spans, tracing } = scene(always, 2)
    tracing.called({ ...call, rows: 3, spans: [0, 1, 2].map(callSpanOf) })
    const [batch, ...rows] = spans
    assert.deepEqual([batch?.name, batch?.links.length, batch?.droppedLinksCount, batch?.attributes['waggle.batch.size']], ['b batch', 2, 1, 3])
    assert.equal(rows.length, 3)
    for (const row of rows)
      assert.deepEqual(
        row.links.map(({ context }) => context.traceId),
        [batch?.spanContext().traceId],
      )
  })

  it('are only the spans of the batch if the rows of the batch are tried again one by one', () => {
    const { spans, tracing } = scene()
    const error = { code: 'WAGGLE_BEE_FAILED', message: 'no' }
    tracing.called({ ...call, isRepeated: true, rows: 2, spans: [0, 1].map((at) => ({ ...callSpanOf(at), error })) })
    assert.deepEqual(
      spans.map(({ name, status }) => [name, status.message]),
      [['b batch', 'no']],
    )
  })

  it('include no batch for a call with one row, and have the code of their error', () => {
    const { spans, tracing } = scene()
    tracing.called({ ...call, rows: 1, spans: [{ ...callSpanOf(0), error: { code: 'WAGGLE_REFUSED', message: 'not this' } }] })
    assert.deepEqual(
      spans.map(({ name, status, attributes, links }) => [name, status.message, attributes['error.type'], links]),
      [['b', 'not this', 'WAGGLE_REFUSED', []]],
    )
  })
})
