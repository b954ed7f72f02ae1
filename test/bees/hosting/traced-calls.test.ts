import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tracedCalls } from '../../../bees/hosting/traced-calls.ts'
import type { AsyncCall } from '../../../topology/async-step.ts'
import { headerText, textHeader } from '../../../topology/record.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import type { TracedCall } from '../../../topology/swarm/ports/tracing.ts'
import { callSpan, traceparentText } from '../../../topology/swarm/request/trace-context.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const parentSpanId = '00f067aa0ba902b7'
const rows: readonly Payload[] = [1, 2, 3].map((json) => ({ kind: 'json', json }))
const bee = { swarm: 's', bee: 'b' }

function callOf(key: string, flags: string | null, signal = new AbortController().signal): AsyncCall<string> {
  const headers = flags === null ? [] : [textHeader('traceparent', `00-${traceId}-${parentSpanId}-${flags}`)]
  return { key, value: null, timestamp: 0, headers, attempt: 1, metadata: { topic: 't', partition: 0, offset: 1n }, signal }
}

/** Runs a call of a bee with three rows, and returns the recorded spans. */
async function recorded(
  calls: readonly AsyncCall<string>[],
  act: (calls: readonly AsyncCall<string>[]) => Promise<readonly (Payload | WaggleError)[]>,
) {
  const made: TracedCall[] = []
  const seen: string[] = []
  const tracing = { begin: () => assert.fail(), accepted: () => assert.fail(), called: (call: TracedCall) => made.push(call) }
  let now = 100
  const traced = tracedCalls({ tracing, now: () => now++, ...bee, type: 'module' }, (_, given) => {
    seen.push(...given.map(({ headers }) => headerText(headers, 'traceparent') ?? ''))
    return act(given)
  })
  const outcomes = await traced(rows, calls).catch((thrown: unknown) => thrown)
  return { made, seen, outcomes }
}

describe('The calls of a bee whose spans are recorded', () => {
  it('pass the bee its own span, and record a span for each request whose trace is recorded', async () => {
    const calls = [callOf('r1', '01'), callOf('r2', '00'), callOf('r3', null)]
    const failed = new WaggleError('WAGGLE_BEE_FAILED', { message: 'it broke', next: 'Mend it.' })
    const { made, seen, outcomes } = await recorded(calls, async () => [failed, ...rows.slice(1)])
    const span = callSpan(calls[0]?.headers ?? [], { ...bee, id: 'r1', attempt: 1 }) ?? assert.fail()
    assert.deepEqual(seen, [traceparentText(span), `00-${traceId}-${parentSpanId}-00`, ''])
    assert.deepEqual(outcomes, [failed, ...rows.slice(1)])
    const place = { topic: 't', partition: 0, offset: 1n }
    const error = { code: 'WAGGLE_BEE_FAILED', message: 'it broke' }
    assert.deepEqual(made, [
      {
        ...bee,
        type: 'module',
        startedAt: 100,
        finishedAt: 101,
        rows: 3,
        isRepeated: false,
        spans: [{ context: span, parentSpanId, requestId: 'r1', attempt: 1, place, error }],
      },
    ])
  })

  it('record no span if no trace is recorded', async () => {
    const calls = [callOf('r1', '00'), callOf('r2', null), callOf('r3', null)]
    const { made, seen } = await recorded(calls, async () => rows)
    assert.deepEqual([made, seen], [[], [`00-${traceId}-${parentSpanId}-00`, '', '']])
  })

  it('report that a batch which failed as a whole is tried again, and throw the batch’s error', async () => {
    const thrown = new Error('no')
    const { made, outcomes } = await recorded(
      ['r1', 'r2', 'r3'].map((id) => callOf(id, '01')),
      () => Promise.reject(thrown),
    )
    assert.equal(outcomes, thrown)
    assert.deepEqual([made[0]?.isRepeated, made[0]?.spans.length, made[0]?.spans[0]?.error?.message], [true, 3, 'no'])
  })

  it('are recorded at once when they are aborted, and are recorded only once', async () => {
    const abort = new AbortController()
    const late = Promise.withResolvers<readonly Payload[]>()
    const calls = ['r1', 'r2', 'r3'].map((id) => callOf(id, '01', abort.signal))
    const ended = recorded(calls, () => {
      queueMicrotask(() => {
        abort.abort(new WaggleError('WAGGLE_TIMEOUT', { message: 'too long', next: 'Wait.' }))
        late.resolve(rows)
      })
      return late.promise
    })
    const { made } = await ended
    assert.deepEqual(
      made.map(({ isRepeated, spans }) => [isRepeated, spans.map(({ error }) => error?.code)]),
      [[false, ['WAGGLE_TIMEOUT', 'WAGGLE_TIMEOUT', 'WAGGLE_TIMEOUT']]],
    )
  })
})
