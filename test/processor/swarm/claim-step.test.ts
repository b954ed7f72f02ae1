import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PayloadClaims } from '../../../connectors/claims/payload-claims.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { SimulatedRandom } from '../../../processor/simulation/simulated-random.ts'
import { ClaimOrigins } from '../../../processor/swarm/claim-origins.ts'
import { type ClaimStepOptions, claimStep } from '../../../processor/swarm/claim-step.ts'
import type { ProcessorContext } from '../../../topology/processor-api.ts'
import { headerText, type Record, textHeader } from '../../../topology/record.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { contentTypeHeader, deadLetterCodeHeader } from '../../../topology/swarm/request/headers.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { MemoryClaims } from '../../support/memory-claims.ts'

describe('The step that fetches payloads for synchronous bees', () => {
  const opened = (more: Partial<ClaimStepOptions> = {}) => {
    const store = new MemoryClaims()
    const options = {
      store,
      clock: new SimulatedClock(),
      random: new SimulatedRandom(1),
      maxInlineBytes: 10,
      lifetimeMs: 1_000,
      maxFetchedBytes: 100,
    }
    const claims = new PayloadClaims(options)
    const failures: string[] = []
    const step = claimStep({
      claims,
      origins: new ClaimOrigins(),
      bee: 'reader',
      children: ['next'],
      deadLetters: 'letters',
      onFailure: ({ code }, { node }) => void failures.push(`${code} ${node}`),
      ...more,
    })
    return { store, claims, step, failures }
  }
  const recordOf = (value: Payload): Record<string, Payload> => ({
    key: 'one',
    value,
    timestamp: 1,
    headers: [textHeader(contentTypeHeader, 'x/old'), textHeader('own', 'kept')],
  })
  const forwarded = () => {
    const sent: { readonly child: string; readonly record: Record<string, Payload> }[] = []
    const context = {
      taskId: '0_0',
      recordMetadata: { topic: 't', partition: 0, offset: 3n },
      forward: (record: never, child: string) => void sent.push({ record, child }),
    }
    return { sent, context: context as unknown as ProcessorContext<unknown, unknown> }
  }

  it('passes on a complete payload', () => {
    const { step } = opened()
    const record = recordOf({ kind: 'json', json: 1 })
    assert.equal(step.admit(record, 0), 'pass')
    const { sent, context } = forwarded()
    step.forward({ kind: 'passed' }, record, context)
    assert.deepEqual(sent, [{ record, child: 'next' }])
  })

  it('gives the fetched payload with its own content type, also within a join', async () => {
    const { step, claims, store } = opened()
    const claim = await claims.put(Buffer.from('{"number": 1}'), 'application/json', new AbortController().signal)
    const joined: Payload = {
      kind: 'joined',
      parts: new Map<string, Payload>([
        ['a', { kind: 'claim', claim }],
        ['b', { kind: 'json', json: 2 }],
      ]),
    }
    const worker = await step.open()
    for (const value of [{ kind: 'claim', claim } as const, joined]) {
      const record = recordOf(value)
      assert.equal(step.admit(record, 0), 'call')
      const [result] = await worker.call([value], [])
      assert.ok(result !== undefined && !(result instanceof WaggleError))
      const { sent, context } = forwarded()
      step.forward({ kind: 'result', result, report: { startedAt: 1, finishedAt: 2, batchSize: 1, reason: 'alone', attempts: 1 } }, record, context)
      const [one] = sent
      assert.equal(headerText(one?.record.headers ?? [], 'own'), 'kept')
      if (value.kind === 'claim') {
        assert.deepEqual(one?.record.value, { kind: 'json', json: { number: 1 } })
        assert.equal(headerText(one.record.headers, contentTypeHeader), 'application/json')
      } else assert.deepEqual(one?.record.value.kind === 'joined' && one.record.value.parts.get('a'), { kind: 'json', json: { number: 1 } })
    }
    assert.equal(store.gets.length, 2)
  })

  it('refuses a payload that a join behind it could not keep in the log, before it is fetched', async () => {
    const { step, claims, store } = opened({ maxJoinedBytes: 20 })
    const signal = new AbortController().signal
    const [large, small] = [await claims.put(new Uint8Array(21), 'image/x', signal), await claims.put(new Uint8Array(20), 'image/x', signal)]
    const [refused, fetched] = await (await step.open()).call(
      [large, small].map((claim) => ({ kind: 'claim' as const, claim })),
      [],
    )
    assert.ok(refused instanceof WaggleError && fetched !== undefined && !(fetched instanceof WaggleError))
    assert.deepEqual([refused.code, fetched.kind, store.gets], ['WAGGLE_RESULT_TOO_LARGE', 'bytes', [small.key]])
    assert.match(`${refused.message} ${refused.next}`, /21 bytes would wait in a join for reader.*at most 20 bytes.*Let an asynchronous bee/)
  })

  it('makes a dead letter and an error for a missing payload, so a join still completes', async () => {
    const { step, claims, store, failures } = opened()
    const claim = await claims.put(Buffer.from('"honey"'), 'application/json', new AbortController().signal)
    store.objects.clear()
    const [error] = await (await step.open()).call([{ kind: 'claim', claim }], [])
    assert.ok(error instanceof WaggleError)
    const { sent, context } = forwarded()
    step.forward({ kind: 'error', error, report: null }, recordOf({ kind: 'claim', claim }), context)
    assert.deepEqual(
      sent.map(({ child, record }) => [child, record.value.kind, headerText(record.headers, deadLetterCodeHeader)]),
      [
        ['letters', 'claim', 'WAGGLE_CLAIM_MISSING'],
        ['next', 'error', null],
      ],
    )
    assert.deepEqual(failures, ['WAGGLE_CLAIM_MISSING reader'])
  })
})
