import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { textHeader } from '../../../../topology/record.ts'
import {
  callSpan,
  carried,
  parseTraceparent,
  traceContextOf,
  traceIdOf,
  traceparentText,
  withTraceContext,
} from '../../../../topology/swarm/request/trace-context.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'
const headers = [textHeader('traceparent', `00-${traceId}-${spanId}-01`), textHeader('own', 'kept')]
const call = { swarm: 's', bee: 'b', id: 'request-1', attempt: 1 }

describe('The header traceparent', () => {
  it('is read as W3C Trace Context says', () => {
    assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-01`), { traceId, spanId, isSampled: true })
    assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-02`), { traceId, spanId, isSampled: false })
    // A header of a later version may have more fields. A header of version 00 may not.
    assert.deepEqual(parseTraceparent(`01-${traceId}-${spanId}-01-what-comes`), { traceId, spanId, isSampled: true })
    const wrong = [
      `00-${traceId}-${spanId}-01-more`,
      `ff-${traceId}-${spanId}-01`,
      `00-${'0'.repeat(32)}-${spanId}-01`,
      `00-${traceId}-${'0'.repeat(16)}-01`,
      `00-${traceId.toUpperCase()}-${spanId}-01`,
      `00-${traceId}-${spanId}`,
      `00-${traceId}-${spanId}-01\n`,
      '',
    ]
    for (const text of wrong) assert.equal(parseTraceparent(text), null, text)
  })

  it('is written in the form in which it is read', () =>
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 24 }), fc.boolean(), (bytes, isSampled) => {
        const digits = Buffer.from(bytes).toString('hex')
        const context = { traceId: `1${digits.slice(1, 32)}`, spanId: `1${digits.slice(33)}`, isSampled }
        assert.deepEqual(parseTraceparent(traceparentText(context)), context)
      }),
    ))
})

describe('The span of a call', () => {
  it('is the same in every process, and differs for another bee, attempt, request or round', () => {
    const span = callSpan(headers, call)
    assert.deepEqual(callSpan([...headers].reverse(), { ...call }), span)
    assert.equal(span?.traceId, traceId)
    const others = [
      callSpan(headers, { ...call, bee: 'c' }),
      callSpan(headers, { ...call, swarm: 't' }),
      callSpan(headers, { ...call, attempt: 2 }),
      callSpan(headers, { ...call, id: 'request-2' }),
      callSpan([...headers, textHeader('waggle-rounds', 'loop=1')], call),
    ]
    assert.equal(new Set([span, ...others].map((one) => one?.spanId)).size, 6)
  })

  it('is missing where the trace is not recorded', () => {
    assert.equal(callSpan([], call), null)
    assert.equal(callSpan([textHeader('traceparent', `00-${traceId}-${spanId}-00`)], call), null)
    assert.equal(callSpan([textHeader('traceparent', 'nonsense')], call), null)
  })

  it('has an id that rarely equals the id of another span', () => {
    const ids = new Set(Array.from({ length: 100_000 }, (_, at) => callSpan(headers, { ...call, id: `request-${at}` })?.spanId))
    assert.equal(ids.size, 100_000)
    for (const id of ids) assert.match(id ?? '', /^(?!0+$)[0-9a-f]{16}$/)
  })

  it('replaces the span before it in the headers, and the other headers stay', () => {
    const span = callSpan(headers, call)
    const next = withTraceContext(headers, span)
    assert.deepEqual(traceContextOf(next), span)
    assert.deepEqual(
      next.map(({ key }) => key),
      ['own', 'traceparent'],
    )
    assert.equal(withTraceContext(headers, null), headers)
  })
})

describe('The headers that go on to another server', () => {
  it('are limited in length, and only valid headers are among them', () => {
    const traceparent = `00-${traceId}-${spanId}-01`
    assert.deepEqual(carried({ traceparent, tracestate: 'a=b', baggage: 'c=d' }), { traceparent, tracestate: 'a=b', baggage: 'c=d' })
    assert.deepEqual(carried({ traceparent: 'nonsense', tracestate: 'a=b', baggage: 'c=d' }), { baggage: 'c=d' })
    assert.deepEqual(carried({ traceparent, tracestate: 'x'.repeat(513), baggage: 'x'.repeat(8193) }), { traceparent })
    assert.deepEqual(carried({ traceparent, baggage: 'c=d\r\nset-cookie: x' }), { traceparent })
  })
})

it('A request without a trace begins a trace with the digits of the request’s id', () => {
  assert.equal(traceIdOf('01A22d62-c5f9-75ae-ba0e-51770590d692'), '01a22d62c5f975aeba0e51770590d692')
  assert.match(traceIdOf('my own id'), /^[0-9a-f]{32}$/)
  assert.notEqual(traceIdOf('my own id'), traceIdOf('my own ie'))
})
