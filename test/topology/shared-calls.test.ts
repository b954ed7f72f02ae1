import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SharedCalls } from '../../topology/shared-calls.ts'

describe('Shared calls', () => {
  const scene = () => {
    const begun: { readonly argument: string; readonly end: PromiseWithResolvers<string> }[] = []
    const calls = new SharedCalls((argument: string) => {
      const end = Promise.withResolvers<string>()
      begun.push({ argument, end })
      return end.promise
    })
    const turn = () => new Promise<void>((done) => setImmediate(done))
    return { begun, calls, turn }
  }

  it('make one call for each argument within one turn of the event loop', async () => {
    const { begun, calls, turn } = scene()
    const asked = [calls.for('a'), calls.for('b'), calls.for('a')]
    await turn()
    assert.deepEqual(
      begun.map(({ argument }) => argument),
      ['a', 'b'],
    )
    for (const [at, { end }] of begun.entries()) end.resolve(`${at}`)
    assert.deepEqual(await Promise.all(asked), ['0', '1', '0'])
  })

  it('make one further call for all callers that come during a call, when that call has ended', async () => {
    const { begun, calls, turn } = scene()
    const first = calls.for('a')
    await turn()
    const later = [calls.for('a'), calls.for('a')]
    await turn()
    assert.equal(begun.length, 1)
    begun[0]?.end.resolve('old')
    assert.equal(await first, 'old')
    await turn()
    assert.equal(begun.length, 2)
    begun[1]?.end.resolve('new')
    assert.deepEqual(await Promise.all(later), ['new', 'new'])
  })

  it('make a new call after a failed call, and only the callers of the failed call get its error', async () => {
    const { begun, calls, turn } = scene()
    const first = calls.for('a')
    await turn()
    const later = calls.for('a')
    begun[0]?.end.reject(new Error('away'))
    await assert.rejects(first, /away/)
    await turn()
    begun[1]?.end.resolve('back')
    assert.equal(await later, 'back')
    const last = calls.for('a')
    await turn()
    begun[2]?.end.resolve('again')
    assert.equal(await last, 'again')
  })
})
