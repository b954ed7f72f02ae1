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
import { Unavailable, WaggleError } from '../../../topology/waggle-error.ts'
import { MemoryClaims } from '../../support/memory-claims.ts'

describe('Requests with a claim store', () => {
  /** Every request gets the same answer. */
  const opened = (answer: Payload = { kind: 'json', json: 'done' }) => {
    const store = new MemoryClaims()
    const clock = new SimulatedClock()
    const claims = new PayloadClaims({ store, clock, random: new SimulatedRandom(1), maxInlineBytes: 10, lifetimeMs: 1_000, maxFetchedBytes: 100 })
    const sent: NewRequest[] = []
    const send = (request: NewRequest) => {
      if (request.id === 'refused') throw new WaggleError('WAGGLE_OVERLOADED', { message: 'Full', next: 'Wait.' })
      if (sent.some(({ id }) => request.id !== 'one' && request.id === id)) return
      request.onSend?.()
      sent.push(request)
      if (request.id === 'lost') throw new WaggleError('WAGGLE_LOG_UNREACHABLE', { message: 'Nobody knows whether it was written', next: 'Ask.' })
    }
    const inner: Requests = {
      gateways: ['door'],
      refusal: () => null,
      submit: async (request) => {
        send(request)
        return readBack({ id: request.id })
      },
      request: async (request) => {
        send(request)
        return readBack({ id: request.id, state: 'answered' as const, answer })
      },
      find: async () => readBack({ state: 'answered' as const, bodyHash: '', answer }),
    }
    return { store, clock, sent, requests: new ClaimedRequests(inner, { claims, clock }) }
  }
  const request = (length: number): NewRequest => ({
    ...{ gateway: 'door', id: 'one', contentType: 'image/x', deadline: null, bodyHash: 'hash', traceparent: null },
    body: new Uint8Array(length).fill(7),
  })
  it('pass on small requests and small answers unchanged', async () => {
    const { store, sent, requests } = opened()
    const small = request(10)
    await requests.submit(small)
    assert.deepEqual((await requests.request(small)).answer, { kind: 'json', json: 'done' })
    assert.ok(sent[0] === small && sent[1] === small)
    assert.deepEqual([store.puts, store.gets.length], [0, 0])
  })

  it('store a large input before they send its reference, with the hash of the body itself', async () => {
    const { store, sent, requests } = opened()
    for (const verb of ['submit', 'request'] as const) await requests[verb](request(11))
    for (const { body, contentType, bodyHash } of sent) {
      assert.deepEqual([contentType, bodyHash], ['application/vnd.waggle.claim+json', 'hash'])
      const claim = decodeClaim(body)
      assert.deepEqual([claim.bytes, claim.contentType, store.objects.get(claim.key)], [11, 'image/x', new Uint8Array(11).fill(7)])
    }
    assert.equal(store.puts, 2)
  })

  it('leave an answer that is a claim to those who read it', async () => {
    const claim = { store: 'memory', key: 'k', sha256: '', bytes: 1_000_000, contentType: 'image/x', expiresAt: 1 }
    const { store, requests } = opened({ kind: 'claim', claim })
    assert.deepEqual((await requests.request(request(1))).answer, { kind: 'claim', claim })
    assert.deepEqual((await requests.find('one'))?.answer, { kind: 'claim', claim })
    assert.equal(store.gets.length, 0)
  })

  it('refuse a large request while the store is unreachable, and send no record', async () => {
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

  it('refuse a large request at once while the store is full, and take small ones', async () => {
    const { store, sent, requests } = opened()
    store.full = new Unavailable('WAGGLE_CLAIM_STORE_FULL', { message: 'Full', next: 'Wait.' })
    await assert.rejects(requests.submit(request(11)), { code: 'WAGGLE_CLAIM_STORE_FULL' })
    assert.deepEqual([sent.length, store.puts], [0, 0])
    await requests.submit(request(10))
    store.full = null
    await requests.submit({ ...request(11), id: 'two' })
    assert.equal(sent.length, 2)
  })

  it('delete the object of a request that was refused or was known before it was sent, and no other object', async () => {
    const { store, sent, requests } = opened()
    for (const verb of ['submit', 'request'] as const) {
      await assert.rejects(requests[verb]({ ...request(11), id: 'refused' }), { code: 'WAGGLE_OVERLOADED' })
      assert.deepEqual([store.puts, store.objects.size], [1, 0])
      store.puts = 0
    }
    for (const verb of ['submit', 'request', 'request'] as const) await requests[verb]({ ...request(11), id: 'repeated' })
    assert.deepEqual([store.puts, sent.length], [3, 1])
    assert.deepEqual([...store.objects.keys()], [decodeClaim(sent[0]?.body ?? assert.fail()).key])
    await assert.rejects(requests.request({ ...request(11), id: 'lost' }), { code: 'WAGGLE_LOG_UNREACHABLE' })
    assert.equal(store.objects.size, 2)
  })
})
