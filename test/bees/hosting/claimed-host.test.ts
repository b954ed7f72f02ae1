import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { claimedHost } from '../../../bees/hosting/claimed-host.ts'
import { PayloadClaims } from '../../../connectors/claims/payload-claims.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { SimulatedRandom } from '../../../processor/simulation/simulated-random.ts'
import type { AsyncCall, AsyncWorker } from '../../../topology/async-step.ts'
import type { BeeHost } from '../../../topology/swarm/bee-host.ts'
import type { SwarmBee } from '../../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { Answered, type BeeResult } from '../../../topology/swarm/request/answered.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { MemoryClaims } from '../../support/memory-claims.ts'

type Worker = AsyncWorker<string, Payload, Payload, BeeResult>

describe('A bee whose large payloads are in a claim store', () => {
  const opened = async (compute: (rows: readonly Payload[]) => Awaited<ReturnType<Worker['call']>> | Promise<never>) => {
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
    const given: (readonly Payload[])[] = []
    const worker: Worker = {
      call: async (rows) => {
        given.push(rows)
        return compute(rows)
      },
    }
    const host: BeeHost = { open: async () => worker, valueOf: () => assert.fail(), streamOf: () => assert.fail(), batchOf: () => null }
    const call = await claimedHost(host, claims).open({ type: { role: 'call' } } as SwarmBee, 8)
    return {
      store,
      claims,
      given,
      put: async (length: number): Promise<Payload> => ({
        kind: 'claim',
        claim: await claims.put(new Uint8Array(length), 'image/x', quiet.signal),
      }),
      run: (rows: readonly Payload[], made: AsyncCall<string> = quiet) =>
        call.call(
          rows,
          rows.map(() => made),
        ),
    }
  }
  const bytes = (length: number): Payload => ({ kind: 'bytes', bytes: new Uint8Array(length), contentType: 'image/x' })
  const quiet = { signal: new AbortController().signal } as AsyncCall<string>

  it('gets small rows unchanged in one call, without a call of the store', async () => {
    const { store, given, run } = await opened((rows) => rows)
    const rows = [bytes(10), { kind: 'json', json: 'text' } as const]
    assert.deepEqual(await run(rows), rows)
    assert.equal(given[0], rows)
    assert.deepEqual([store.puts, store.gets.length], [0, 0])
  })

  it('gets the rows of a batch that could be fetched, and each other row has its own error', async () => {
    const { store, given, put, run } = await opened((rows) => rows.map((_, at) => ({ kind: 'json', json: at })))
    const rows = [await put(20), await put(30), bytes(3), await put(40)]
    store.objects.delete(rows[1]?.kind === 'claim' ? rows[1].claim.key : '')
    const outcomes = await run(rows)
    assert.deepEqual(
      given[0]?.map((row) => (row.kind === 'bytes' ? row.bytes.length : row.kind)),
      [20, 3, 40],
    )
    assert.deepEqual(
      outcomes.map((outcome) => (outcome instanceof WaggleError ? outcome.code : outcome)),
      [{ kind: 'json', json: 0 }, 'WAGGLE_CLAIM_MISSING', { kind: 'json', json: 1 }, { kind: 'json', json: 2 }],
    )
  })

  it('stores each large result separately, both answers and published parts', async () => {
    const { store, claims, run } = await opened(() => [
      bytes(11),
      bytes(10),
      { kind: 'json', json: 'x'.repeat(9) },
      { kind: 'json', json: 'x'.repeat(8) },
      { kind: 'tensors', tensors: { t: { datatype: 'UINT8', shape: [11], data: new Uint8Array(11) } } },
      new Answered(bytes(50), bytes(5)),
      new WaggleError('WAGGLE_BEE_FAILED', { message: 'no', next: 'no' }),
    ])
    const outcomes = await run(Array.from({ length: 7 }, () => bytes(1)))
    assert.deepEqual(
      outcomes.map((outcome) =>
        outcome instanceof WaggleError ? 'error' : outcome instanceof Answered ? `${outcome.answer.kind} ${outcome.published?.kind}` : outcome.kind,
      ),
      ['claim', 'bytes', 'claim', 'json', 'claim', 'claim bytes', 'error'],
    )
    assert.equal(store.puts, 4)
    const [, , json] = outcomes
    assert.ok(json !== undefined && !(json instanceof WaggleError) && 'kind' in json && json.kind === 'claim')
    assert.deepEqual(await claims.fetch(json.claim, quiet.signal), { kind: 'json', json: 'x'.repeat(9) })
  })

  it('gives its part of the room back when its call is given up, although it never returns', async () => {
    const { given, put, run } = await opened((rows) => (rows.length === 2 ? new Promise<never>(() => {}) : [{ kind: 'json', json: 'done' }]))
    const giveUp = new AbortController()
    void run([await put(50), await put(50)], { ...quiet, signal: giveUp.signal })
    const next = run([await put(60)])
    while (given.length === 0) await new Promise(setImmediate)
    giveUp.abort(new Error('too late'))
    assert.deepEqual(await next, [{ kind: 'json', json: 'done' }])
  })

  it('is called once for each part of a batch that fits into the room, with the results in the order of the rows', async () => {
    const { given, put, run } = await opened((rows) => rows.map((row) => ({ kind: 'json', json: row.kind === 'bytes' && row.bytes.length })))
    const rows = [await put(40), await put(60), bytes(3), await put(50), await put(300), await put(11)]
    const outcomes = await run(rows)
    assert.deepEqual(
      given.map((part) => part.map((row) => row.kind === 'bytes' && row.bytes.length)),
      [[40, 60, 3], [50], [300], [11]],
    )
    assert.deepEqual(
      outcomes,
      [40, 60, 3, 50, 300, 11].map((json) => ({ kind: 'json', json })),
    )
  })

  it('is called again only for the rows of a part that failed, one by one', async () => {
    const { given, put, run } = await opened((rows) => {
      if (rows.some((row) => row.kind === 'bytes' && row.bytes.length === 51)) throw new Error('sour')
      return rows.map(() => ({ kind: 'json', json: 'done' }))
    })
    const outcomes = await run([await put(90), await put(49), await put(51), await put(80)])
    assert.deepEqual(
      given.map((part) => part.map((row) => row.kind === 'bytes' && row.bytes.length)),
      [[90], [49, 51], [49], [51], [80]],
    )
    assert.deepEqual(
      outcomes.map((outcome) => (outcome instanceof WaggleError ? outcome.code : 'done')),
      ['done', 'done', 'WAGGLE_BEE_FAILED', 'done'],
    )
  })

  it('fails with WAGGLE_BATCH_LENGTH if it gives fewer results than rows', async () => {
    const { put, run } = await opened(() => [{ kind: 'json', json: 'only one' }])
    await assert.rejects(run([await put(40), await put(40)]), { code: 'WAGGLE_BATCH_LENGTH' })
  })
})
