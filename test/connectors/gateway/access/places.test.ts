import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Places } from '../../../../connectors/gateway/access/places.ts'

describe('Places of callers', () => {
  const places = (max: number) => new Places({ max, what: 'streams are open' })
  const takeAll = (from: Places, caller: string) => {
    const ends: (() => void)[] = []
    try {
      for (;;) ends.push(from.take(caller))
    } catch {
      return ends
    }
  }

  it('are half for one caller, a third for each of two, and all for callers without tokens', () => {
    const shared = places(12)
    assert.equal(takeAll(shared, 'a').length, 6)
    assert.equal(takeAll(shared, 'b').length, 3)
    assert.throws(() => shared.take('a'), { code: 'WAGGLE_CALLER_LIMIT' })
    assert.equal(takeAll(places(12), '').length, 12)
  })

  it('come free once for each place that was taken', () => {
    const shared = places(2)
    const end = shared.take('a')
    assert.throws(() => shared.take('a'), { code: 'WAGGLE_CALLER_LIMIT' })
    shared.take('b')
    assert.throws(() => shared.take('c'), { code: 'WAGGLE_OVERLOADED' })
    end()
    end()
    assert.equal(shared.taken, 1)
    shared.take('c')
    assert.throws(() => shared.take('d'), { code: 'WAGGLE_OVERLOADED' })
  })

  it('leave one for a new caller where up to six others have taken as many as they can', () => {
    fc.assert(
      fc.property(fc.integer({ min: 128, max: 300 }), fc.integer({ min: 1, max: 6 }), (max, callers) => {
        const shared = places(max)
        for (let at = 0; at < callers; at++) takeAll(shared, `caller-${at}`)
        shared.take('new')
      }),
    )
  })
})
