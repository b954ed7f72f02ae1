import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ChangeLocks } from '../../../ops/served/change-locks.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

/** Claims on a log that answers nothing until `answer`. */
function onSlowLog() {
  const clock = new SimulatedClock()
  const written: string[] = []
  const waiting: PromiseWithResolvers<void>[] = []
  const write = (what: string) => {
    written.push(what)
    const answered = Promise.withResolvers<void>()
    waiting.push(answered)
    return answered.promise
  }
  const answer = async (error?: Error) => {
    for (const one of waiting.splice(0)) error === undefined ? one.resolve() : one.reject(error)
    await clock.settle()
  }
  const failures: unknown[] = []
  const claims = new ChangeLocks({
    clock,
    write: ({ id }) => write(`sign ${id}`),
    end: (_, id) => write(`end ${id}`),
    revoke: ({ id }) => write(`revoke ${id}`),
    revisionOf: () => 1,
    onFailure: (error) => void failures.push(error),
  })
  claims.open()
  return { clock, claims, written, failures, answer }
}

describe('A change of a swarm on a slow log', () => {
  it('is ended by one record at a time, and is ended again after a failure', async () => {
    const { clock, claims, written, failures, answer } = onSlowLog()
    claims.read('a', 'other', { swarm: 'a', id: 'other', phase: 'open', version: null, reason: '' }, 0)
    await clock.advance(20_000)
    assert.deepEqual(written, ['revoke other'])
    const error = new Error('the log is away')
    await answer(error)
    assert.deepEqual(failures, [error])
    await clock.advance(5000)
    assert.deepEqual(written, ['revoke other', 'revoke other'])
    await answer()
    await clock.advance(5000)
    assert.deepEqual(written.slice(2), ['end other'])
    claims.close()
  })

  it('is renewed by one record at a time', async () => {
    const { clock, claims, written, answer } = onSlowLog()
    const taken = claims.take('a', 'own')
    claims.read('a', 'own', { swarm: 'a', id: 'own', phase: 'open', version: null, reason: '' }, 0)
    await answer()
    assert.equal((await taken).now?.id, 'own')
    await clock.advance(20_000)
    assert.deepEqual(written, ['sign own', 'sign own'])
    claims.close()
  })
})
