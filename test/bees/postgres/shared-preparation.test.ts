import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SharedPreparation } from '../../../bees/postgres/shared-preparation.ts'

describe('A preparation that several calls share', () => {
  /** A preparation whose attempts end, in order, when the test asks for it. An attempt also ends with its signal. */
  function opened() {
    const attempts: PromiseWithResolvers<string>[] = []
    const preparation = new SharedPreparation((signal) => {
      const attempt = Promise.withResolvers<string>()
      signal?.addEventListener('abort', () => attempt.reject(signal.reason))
      attempts.push(attempt)
      return attempt.promise
    })
    return { preparation, attempts }
  }

  it('continues for the other calls when the call that started it is aborted', async () => {
    const { preparation, attempts } = opened()
    const abort = new AbortController()
    const first = preparation.result(abort.signal)
    const second = preparation.result(new AbortController().signal)
    abort.abort(new Error('the deadline of the first call'))
    await assert.rejects(first, /the deadline of the first call/)
    attempts[0]?.resolve('prepared')
    assert.equal(await second, 'prepared')
    assert.equal(attempts.length, 1)
  })

  it('starts again with the next call after a failure', async () => {
    const { preparation, attempts } = opened()
    const started = preparation.start()
    attempts[0]?.reject(new Error('away'))
    await assert.rejects(started, /away/)
    const next = preparation.result(new AbortController().signal)
    attempts[1]?.resolve('prepared')
    assert.equal(await next, 'prepared')
  })

  it('fails for waiting calls when its bee is closed', async () => {
    const { preparation } = opened()
    const waits = preparation.result(new AbortController().signal)
    preparation.close()
    await assert.rejects(waits, /the bee is closed/)
  })
})
