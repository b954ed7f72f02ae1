import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AnswerRoom } from '../../../connectors/claims/answer-room.ts'
import { PayloadClaims } from '../../../connectors/claims/payload-claims.ts'
import { ClaimedAnswers } from '../../../ops/requests/claimed-answers.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { SimulatedRandom } from '../../../processor/simulation/simulated-random.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import type { AnswerReader } from '../../../topology/swarm/request/whole-answers.ts'
import { MemoryClaims } from '../../support/memory-claims.ts'

describe('Answers in a claim store', () => {
  const opened = async () => {
    const [store, clock] = [new MemoryClaims(), new SimulatedClock()]
    const claims = new PayloadClaims({ store, clock, random: new SimulatedRandom(1), maxInlineBytes: 10, lifetimeMs: 1_000, maxFetchedBytes: 100 })
    const room = new AnswerRoom({ clock, maxBytes: 15 })
    const large: Payload = {
      kind: 'claim',
      claim: await claims.put(Buffer.from('"an answer"'), 'application/json', new AbortController().signal),
    }
    const reader = () => {
      const closed = new AbortController()
      const read: AnswerReader = { name: '', closed: closed.signal, cut: () => closed.abort() }
      return { closed, read }
    }
    return { store, clock, room, large, reader, answers: new ClaimedAnswers({ claims, room, clock }) }
  }
  const whole = { kind: 'json', json: 'an answer' }

  it('are given completely, and are in memory until the reader closes or the answer is released', async () => {
    const { room, large, reader, answers } = await opened()
    const one = reader()
    assert.deepEqual((await answers.whole('one', large, one.read)).answer, whole)
    assert.equal(room.takenBytes, 11)
    one.closed.abort()
    assert.equal(room.takenBytes, 0)
    const parts: Payload = { kind: 'joined', parts: new Map([['bee', large]]) }
    const two = await answers.whole('two', parts, reader().read)
    assert.deepEqual(two.answer, { kind: 'joined', parts: new Map([['bee', whole]]) })
    assert.equal(room.takenBytes, 11)
    two.release()
    assert.equal(room.takenBytes, 0)
  })

  it('take no room and no call of the store if they are all in their record', async () => {
    const { store, room, reader, answers } = await opened()
    const small: Payload = { kind: 'json', json: 1 }
    assert.equal((await answers.whole('one', small, reader().read)).answer, small)
    assert.deepEqual([store.gets.length, room.takenBytes], [0, 0])
  })

  it('fail with WAGGLE_CLAIM_MISSING or WAGGLE_CLAIM_ALTERED if their object is missing or altered, and then take no room', async () => {
    const { store, room, large, reader, answers } = await opened()
    for (const [key, bytes] of [...store.objects]) {
      store.objects.set(
        key,
        bytes.map((byte) => byte ^ 1),
      )
      const altered = (await answers.whole('one', large, reader().read)).answer
      store.objects.delete(key)
      const missing = (await answers.whole('one', large, reader().read)).answer
      assert.deepEqual(
        [altered, missing].map((answer) => answer.kind === 'error' && answer.error.code),
        ['WAGGLE_CLAIM_ALTERED', 'WAGGLE_CLAIM_MISSING'],
      )
    }
    assert.equal(room.takenBytes, 0)
  })

  it('say that the request is done, and where to ask for its answer, while the store is unreachable', async () => {
    const { store, clock, room, large, reader, answers } = await opened()
    store.isAway = true
    const reading = answers.whole('one', large, reader().read)
    reading.catch(() => {})
    await clock.advance(25_000)
    await assert.rejects(reading, { code: 'WAGGLE_CLAIM_STORE_AWAY', message: /^Request one is done/, next: /GET \/v1\/requests\/one\. Do not send/ })
    assert.equal(room.takenBytes, 0)
  })

  it('say so too while other answers wait for the room: time in which the store is away is not the time of a slow caller', async () => {
    const { store, clock, large, reader, answers } = await opened()
    store.isAway = true
    const codes: unknown[] = []
    for (const id of ['one', 'two'])
      void answers.whole(id, large, reader().read).catch((thrown: { readonly code: string }) => void codes.push(thrown.code))
    await clock.advance(25_000)
    assert.equal(codes[0], 'WAGGLE_CLAIM_STORE_AWAY')
    assert.ok(!codes.includes('WAGGLE_ANSWER_UNREAD'), String(codes))
  })

  it('say the same while the answers of other callers fill the memory', async () => {
    const { clock, large, reader, answers } = await opened()
    const reading: AnswerReader = { ...reader().read, cut: () => {} }
    await answers.whole('one', large, reading)
    const waiting = answers.whole('two', large, reader().read)
    waiting.catch(() => {})
    await clock.advance(25_000)
    await assert.rejects(waiting, { code: 'WAGGLE_OVERLOADED', message: /^Request two is done/, next: /GET \/v1\/requests\/two\. Do not send/ })
  })

  it('are not fetched for a caller that has left', async () => {
    const { store, room, large, reader, answers } = await opened()
    const [one, two, three] = [reader(), reader(), reader()]
    await answers.whole('one', large, one.read)
    const waiting = answers.whole('two', large, two.read)
    two.closed.abort()
    await assert.rejects(waiting, { code: 'WAGGLE_ANSWER_UNREAD' })
    one.closed.abort()
    three.closed.abort()
    await assert.rejects(answers.whole('three', large, three.read), { code: 'WAGGLE_ANSWER_UNREAD' })
    assert.deepEqual([store.gets.length, room.takenBytes], [1, 0])
  })
})
