import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AnswerRoom } from '../../../../connectors/claims/answer-room.ts'
import { BatchAnswers } from '../../../../connectors/gateway/http/batch-answers.ts'
import { ProblemError } from '../../../../connectors/gateway/http/problem.ts'
import { TracedArrival } from '../../../../connectors/gateway/traced-arrival.ts'
import { systemClock } from '../../../../connectors/system/system-clock.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'
import type { Tracing } from '../../../../topology/swarm/ports/tracing.ts'
import { readBack } from '../../../../topology/swarm/request/durable.ts'
import { inlineAnswers, uncounted } from '../../../../topology/swarm/request/whole-answers.ts'
import { echo, openEchoGateway } from '../../../support/echo-gateway.ts'
import { newRequest } from '../../../support/function-swarm.ts'

/** A tracing that keeps the statuses with which its spans end. */
function keptSpans() {
  const ends: number[] = []
  const context = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), isSampled: true }
  const tracing = { begin: () => ({ context, end: (status: number) => void ends.push(status) }) } as unknown as Tracing
  return { ends, tracing }
}

describe('An answered request of a batch', () => {
  it('gets its answer and ends its span once, also with integers beyond 2^53, and with a JSON type for bytes that are no JSON', async () => {
    const { ends, tracing } = keptSpans()
    const answers = [
      { kind: 'json', json: { x: 1e20 } },
      { kind: 'bytes', contentType: 'application/geo+json', bytes: Buffer.from('no JSON') },
    ] as const
    let calls = 0
    const requests = {
      ...echo,
      request: async ({ id }: { id: string }) => readBack({ id, state: 'answered' as const, answer: answers[calls++] ?? answers[0] }),
    }
    const gateway = await openEchoGateway({ requests, tracing })
    try {
      const event = { specversion: '1.0', source: '/s', type: 't', data: 1 }
      const response = await fetch(`${gateway.url}/v1/gateways/door/request`, {
        method: 'POST',
        headers: { 'content-type': 'application/cloudevents-batch+json' },
        body: JSON.stringify(['a', 'b'].map((id) => ({ ...event, id }))),
      })
      const events = (await response.json()) as readonly { readonly type: string; readonly data?: unknown; readonly data_base64?: string }[]
      assert.deepEqual(
        events.map(({ type, data, data_base64: base64 }) => [type, data ?? base64]),
        [
          ['waggle.answer', { x: 1e20 }],
          ['waggle.answer', Buffer.from('no JSON').toString('base64')],
        ],
      )
      assert.deepEqual(ends, [200, 200])
    } finally {
      await gateway.close()
    }
  })

  it('ends its span once, with the status of the problem, if its answer has no text', async () => {
    const { ends, tracing } = keptSpans()
    const arrival = new TracedArrival({ traceparent: null, tracestate: null, baggage: null }, '/')
    arrival.begin(tracing, { gateway: 'door', call: 'request', id: 'one' })
    const answers = new BatchAnswers({
      requests: echo,
      answers: inlineAnswers,
      memory: uncounted,
      reader: () => assert.fail('no answer is large'),
      clock: systemClock,
      order: 'input',
      patienceMs: 1,
      admit: () => () => {},
      requestOf: () => ({ request: newRequest('one'), arrival }),
      textOf: ({ result }) => {
        if ('outcome' in result) throw new ProblemError('WAGGLE_BODY_TOO_LARGE', 'it has no text')
        return result.problem.code
      },
    })
    const texts = await Array.fromAsync(answers.of([1], { raw: { socket: { timeout: 0, setTimeout: () => {} } } } as never))
    assert.deepEqual(texts, ['WAGGLE_BODY_TOO_LARGE'])
    assert.deepEqual(ends, [413])
  })
})

describe('The texts of a batch', () => {
  const mib = 1024 * 1024
  const opened = (textBytes: number, firstMs: number) => {
    const clock = new SimulatedClock()
    const room = new AnswerRoom({ clock, maxBytes: 4 * mib })
    const closed = new AbortController()
    const cuts: number[] = []
    const answers = new BatchAnswers({
      requests: {
        ...echo,
        async request(request) {
          if (request.id === '0' && firstMs > 0) await new Promise<void>((done) => void clock.after(firstMs, done))
          return echo.request(request)
        },
      },
      answers: inlineAnswers,
      memory: room,
      reader: () => ({ name: '', closed: closed.signal, cut: () => void cuts.push(clock.elapsedMs()) }),
      clock,
      order: 'input',
      patienceMs: 1,
      admit: () => () => {},
      requestOf: (_, index) => ({
        request: newRequest(String(index)),
        arrival: new TracedArrival({ traceparent: null, tracestate: null, baggage: null }, '/'),
      }),
      textOf: () => 'ü'.repeat(textBytes / 2),
    }).of(Array.from({ length: 8 }), { raw: { socket: { timeout: 0, setTimeout: () => {} } } } as never)
    const waits = () => void room.take(4 * mib, { name: '', closed: new AbortController().signal, cut() {} }, new AbortController().signal)
    return { clock, room, cuts, answers, waits }
  }

  it('count together, in bytes, and a caller that stops reading is cut for them', async () => {
    const { clock, room, cuts, answers, waits } = opened(60_000, 0)
    await answers.next()
    await clock.settle()
    assert.equal(room.takenBytes, 8 * 60_000)
    waits()
    await clock.advance(9_000)
    assert.equal(cuts.length, 0)
    await clock.advance(3_000)
    assert.equal(cuts.length, 1)
  })

  it('do not make a caller slow while they wait for the answer before them', async () => {
    const { clock, room, cuts, answers, waits } = opened(mib / 4, 30_000)
    const first = answers.next()
    await clock.settle()
    assert.equal(room.takenBytes, 7 * (mib / 4))
    waits()
    await clock.advance(31_000)
    await first
    for await (const _ of answers);
    assert.deepEqual([cuts, room.takenBytes], [[], 4 * mib])
  })
})
