import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PayloadClaims } from '../../../connectors/claims/payload-claims.ts'
import { claimFamilies } from '../../../ops/telemetry/claim-families.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { SimulatedRandom } from '../../../processor/simulation/simulated-random.ts'
import { decodeClaim, encodeClaim, mostPayloadBytes } from '../../../topology/swarm/payload/claim-codec.ts'
import { Unavailable } from '../../../topology/waggle-error.ts'
import { MemoryClaims } from '../../support/memory-claims.ts'

const opened = () => {
  const store = new MemoryClaims()
  const clock = new SimulatedClock()
  const random = new SimulatedRandom(1)
  const claims = new PayloadClaims({ store, clock, random, maxInlineBytes: 10, lifetimeMs: 1_000, maxFetchedBytes: 100 })
  return { store, clock, claims }
}
const never = new AbortController().signal
const honey = Buffer.from('{"honey": "and milk"}')

describe('A claim', () => {
  it('has everything that a reader needs, in a few hundred bytes', async () => {
    const { clock, claims } = opened()
    const claim = await claims.put(honey, 'application/json', never)
    assert.deepEqual(
      { ...claim, key: claim.key.slice(0, 28) },
      {
        store: 'memory',
        key: '1700000001000-1700000000000-',
        sha256: '79162a7ebda9f8777465643e5232202a94485d231d7aa521374da67d1b71ddcc',
        bytes: honey.length,
        contentType: 'application/json',
        expiresAt: clock.now() + 1_000,
      },
    )
    const value = encodeClaim(claim)
    assert.ok(value.length < 400, `${value.length} bytes`)
    assert.deepEqual(decodeClaim(value), claim)
    assert.deepEqual(await claims.fetch(claim, never), { kind: 'json', json: { honey: 'and milk' } })
  })

  it('names a separate object for each payload, even for equal bytes', async () => {
    const { claims, store } = opened()
    const [one, two] = [await claims.put(honey, 'image/x', never), await claims.put(honey, 'image/x', never)]
    assert.notEqual(one.key, two.key)
    assert.equal(store.objects.size, 2)
  })

  it('is refused in a record if it is malformed', () => {
    const good = {
      store: 'memory',
      key: `1700000001000-1700000000000-${'0'.repeat(32)}`,
      sha256: 'a'.repeat(64),
      bytes: 1,
      content_type: 'x/y',
      expires_at: 1,
    }
    assert.equal(decodeClaim(Buffer.from(JSON.stringify(good))).bytes, 1)
    assert.equal(decodeClaim(Buffer.from(JSON.stringify({ ...good, bytes: mostPayloadBytes }))).bytes, mostPayloadBytes)
    const wrong = [
      { store: '' },
      { store: 'with space' },
      { key: '../../../etc/passwd' },
      { key: `${good.key}/..` },
      { sha256: 'A'.repeat(64) },
      { bytes: -1 },
      { bytes: 1.5 },
      { bytes: '1' },
      { bytes: mostPayloadBytes + 1 },
      { content_type: 'x\r\ny' },
      { content_type: 'x'.repeat(256) },
      { expires_at: null },
    ]
    for (const part of wrong)
      assert.throws(() => decodeClaim(Buffer.from(JSON.stringify({ ...good, ...part }))), { code: 'WAGGLE_BAD_PAYLOAD' }, JSON.stringify(part))
    for (const text of ['', 'null', '[]', '{', JSON.stringify({ ...good, more: 'x'.repeat(1_000) })])
      assert.throws(() => decodeClaim(Buffer.from(text)), { code: 'WAGGLE_BAD_PAYLOAD' }, text.slice(0, 20))
  })
})

describe('A payload in a claim store', () => {
  it('gives an error if it is missing, which says whether its time is over', async () => {
    const { clock, claims, store } = opened()
    const claim = await claims.put(honey, 'image/x', never)
    store.objects.clear()
    await assert.rejects(claims.fetch(claim, never), { code: 'WAGGLE_CLAIM_MISSING', message: /somebody else has deleted it/ })
    await clock.advance(1_000)
    await assert.rejects(claims.fetch(claim, never), { code: 'WAGGLE_CLAIM_MISSING', message: /its time ended at 2023-11-14T22:13:21\.000Z/ })
  })

  it('gives an error if it is altered, shortened, lengthened or of a type that only Waggle makes', async () => {
    const { claims, store } = opened()
    const claim = await claims.put(honey, 'image/x', never)
    for (const bytes of [Buffer.from(honey).fill(1), honey.subarray(1), Buffer.concat([honey, honey])]) {
      store.objects.set(claim.key, bytes)
      await assert.rejects(claims.fetch(claim, never), { code: 'WAGGLE_CLAIM_ALTERED' })
    }
    store.objects.set(claim.key, honey)
    await assert.rejects(claims.fetch({ ...claim, contentType: 'application/vnd.waggle.joined' }, never), { code: 'WAGGLE_CLAIM_ALTERED' })
  })

  it('is searched for only in its own store', async () => {
    const { claims, store } = opened()
    const claim = await claims.put(honey, 'image/x', never)
    await assert.rejects(claims.fetch({ ...claim, store: 'elsewhere' }, never), { code: 'WAGGLE_CLAIM_STORE', message: /elsewhere.*memory/ })
    assert.deepEqual(store.gets, [])
  })

  it('waits for an unreachable store until its caller gives up', async () => {
    const { claims, store, clock } = opened()
    const claim = await claims.put(honey, 'image/x', never)
    store.isAway = true
    const fetched = claims.fetch(claim, never)
    await clock.advance(60_000)
    const tries = store.gets.length
    assert.ok(tries > 5 && tries < 30, `${tries} tries`)
    store.isAway = false
    await clock.advance(5_000)
    assert.equal((await fetched).kind, 'bytes')
    store.isAway = true
    const giveUp = new AbortController()
    const put = claims.put(honey, 'image/x', giveUp.signal)
    put.catch(() => {})
    await clock.advance(10_000)
    giveUp.abort(new Error('too late'))
    await assert.rejects(put, { code: 'WAGGLE_CLAIM_STORE_AWAY' })
  })

  it('waits for room in a full store until its caller gives up', async () => {
    const { claims, store, clock } = opened()
    store.full = new Unavailable('WAGGLE_CLAIM_STORE_FULL', { message: 'Full', next: 'Wait.' })
    const put = claims.put(honey, 'image/x', never)
    await clock.advance(60_000)
    store.full = null
    await clock.advance(5_000)
    assert.equal((await put).bytes, honey.length)
    store.full = new Unavailable('WAGGLE_CLAIM_STORE_FULL', { message: 'Full', next: 'Wait.' })
    const giveUp = new AbortController()
    const late = claims.put(honey, 'image/x', giveUp.signal)
    late.catch(() => {})
    await clock.advance(1_000)
    giveUp.abort(new Error('too late'))
    await assert.rejects(late, { code: 'WAGGLE_CLAIM_STORE_FULL' })
  })

  it('is counted: objects and bytes that were put and fetched, refusals, and calls without an answer', async () => {
    const { claims, store, clock } = opened()
    const claim = await claims.put(honey, 'image/x', never)
    await claims.fetch(claim, never)
    await claims.fetch(claim, never)
    store.isAway = true
    const giveUp = new AbortController()
    const away = claims.fetch(claim, giveUp.signal)
    away.catch(() => {})
    await clock.advance(250)
    giveUp.abort()
    await assert.rejects(away)
    store.full = new Unavailable('WAGGLE_CLAIM_STORE_FULL', { message: 'Full', next: 'Wait.' })
    assert.equal(claims.refusal(1)?.code, 'WAGGLE_CLAIM_STORE_FULL')
    const { putObjects, putBytes, fetchedObjects, fetchedBytes, refusedObjects, awayErrors } = claims.counts
    assert.deepEqual([putObjects, putBytes, fetchedObjects, fetchedBytes, refusedObjects], [1, honey.length, 2, 2 * honey.length, 1])
    assert.equal(awayErrors, 2)
    const families = claimFamilies({ counts: claims.counts, answers: { takenBytes: 0, maxBytes: 7 }, usage: () => null })
    const value = (metric: string) => families.find(({ name }) => name === metric)?.samples[0]?.value
    const told = ['waggle_claims_fetched_total', 'waggle_claims_refused_total', 'waggle_claims_away_total', 'waggle_claims_answer_max_bytes'].map(
      value,
    )
    assert.deepEqual(told, [2, 1, 2, 7])
  })

  it('gets room in memory in the order in which readers ask, and a very large one gets all of the room', async () => {
    const { claims, clock } = opened()
    const order: string[] = []
    const take = async (name: string, bytes: number, signal = never) => {
      const giveBack = await claims.room(bytes, signal)
      order.push(name)
      return giveBack
    }
    const first = await take('first', 60)
    const second = take('second', 1_000)
    const gone = new AbortController()
    const third = take('third', 10, gone.signal)
    const fourth = take('fourth', 30)
    await clock.settle()
    assert.deepEqual(order, ['first'])
    const sink = await claims.room(100, never, 'sink')
    sink()
    gone.abort(new Error('gone'))
    await assert.rejects(third, /gone/)
    first()
    first()
    const giveBack = await second
    await clock.settle()
    assert.deepEqual(order, ['first', 'second'])
    giveBack()
    const last = await fourth
    last()
    assert.deepEqual(order, ['first', 'second', 'fourth'])
  })
})
