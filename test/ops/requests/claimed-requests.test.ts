import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PayloadClaims } from '../../../connectors/claims/payload-claims.ts'
import { ClaimedRequests } from '../../../ops/requests/claimed-requests.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { SimulatedRandom } from '../../../processor/simulation/simulated-random.ts'
import { decodeClaim } from '../../../topology/swarm/payload/claim-codec.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { readBack } from '../../../topology/swarm/request/durable.ts'
import type { NewRequest, Requests } from '../../../topology/swarm/request/requests.ts'
import { MemoryClaims } from '../../support/memory-claims.ts'

describe('Requests with a claim store', () => {
  /** Every request gets `answer`. */
  const opened = (answer: (claims: PayloadClaims) => Promise<Payload> = async () => ({ kind: 'json', json: 'done' })) => {
    const store = new MemoryClaims()
    const clock = new SimulatedClock()
    const claims = new PayloadClaims({ store, clock, random: new SimulatedRandom(1), maxInlineBytes: 10, lifetimeMs: 1_000, maxFetchedBytes: 100 })
    const sent: NewRequest[] = []
    const inner: Requests = {
      gateways: ['door'],
      refusal: () => null,
      submit: async (request) => {
        sent.push(request)
        return readBack({ id: request.id })
      },
      request: async (request) => {
        sent.push(request)
        return readBack({ id: request.id, state: 'answered' as const, answer: await answer(claims) })
      },
      find: async () => readBack({ state: 'answered' as const, bodyHash: '', answer: await answer(claims) }),
    }
    return { store, clock, claims, sent, requests: new ClaimedRequests(inner, { claims, clock }) }
  }
  const request = (length: number): NewRequest => ({
    ...{ gateway: 'door', id: 'one', contentType: 'image/x', deadline: null, bodyHash: 'hash', traceparent: null },
    body: new Uint8Array(length).fill(7),
  })
  const large = async (claims: PayloadClaims): Promise<Payload> => ({
    kind: 'claim',
    claim: await claims.put(Buffer.from('"an answer"'), 'application/json', new AbortController().signal),
  })

  it('pass a small request and its answer on as they are', async () => {
    const { store, sent, requests } = opened()
    const small = request(10)
    await requests.submit(small)
    assert.deepEqual((await requests.request(small)).answer, { kind: 'json', json: 'done' })
    assert.ok(sent[0] === small && sent[1] === small)
    assert.deepEqual([store.puts, store.gets.length], [0, 0])
  })

  it('put a large input into the store before they send a reference, with the hash of the body itself', async () => {
    const { store, sent, requests } = opened()
    for (const verb of ['submit', 'request'] as const) await requests[verb](request(11))
    for (const { body, contentType, bodyHash } of sent) {
      assert.deepEqual([contentType, bodyHash], ['application/vnd.waggle.claim+json', 'hash'])
      const claim = decodeClaim(body)
      assert.deepEqual([claim.bytes, claim.contentType, store.objects.get(claim.key)], [11, 'image/x', new Uint8Array(11).fill(7)])
    }
    assert.equal(store.puts, 2)
  })

  it('give the whole of a large answer, also of one that is asked for later', async () => {
    const { requests } = opened(large)
    const whole = { kind: 'json', json: 'an answer' }
    assert.deepEqual((await requests.request(request(1))).answer, whole)
    assert.deepEqual((await requests.find('one'))?.answer, whole)
  })

  it('fail with WAGGLE_CLAIM_MISSING if an answer is gone', async () => {
    const { store, requests } = opened(async (claims) => {
      const payload = await large(claims)
      store.objects.clear()
      return payload
    })
    for (const { state, answer } of [await requests.request(request(1)), (await requests.find('one')) ?? assert.fail()])
      assert.deepEqual([state, answer?.kind === 'error' && answer.error.code], ['failed', 'WAGGLE_CLAIM_MISSING'])
  })

  it('refuse a large request while the store is away, and send nothing', async () => {
    const { store, clock, sent, requests } = opened()
    store.isAway = true
    const submitted = requests.submit(request(11))
    submitted.catch(() => {})
    await clock.advance(25_000)
    await assert.rejects(submitted, { code: 'WAGGLE_CLAIM_STORE_AWAY' })
    assert.deepEqual(sent, [])
    store.isAway = false
    await requests.submit(request(11))
    assert.equal(sent.length, 1)
  })
})
