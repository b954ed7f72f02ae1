import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { expectedJoin, keyAt } from '../../../ops/bench/bench-keys.ts'

const places = (count: number) => Array.from({ length: count }, (_, at) => at)

describe('The keys of a benchmark', () => {
  it('all occur once before any key occurs again', () => {
    const keys = places(2000).map((at) => keyAt(at, { keys: 1000 }).toString())
    assert.equal(new Set(keys.slice(0, 1000)).size, 1000)
    assert.deepEqual(keys.slice(1000), keys.slice(0, 1000))
  })

  it('are the same in both inputs of a join', () => {
    for (const at of places(500)) assert.deepEqual(keyAt(at * 2, { keys: 100, inputs: 2 }), keyAt(at * 2 + 1, { keys: 100, inputs: 2 }))
  })

  it('make as many joined pairs as the formula predicts', () => {
    for (const { records, keys, windowMs } of [
      { records: 301, keys: 7, windowMs: 40 },
      { records: 500, keys: 100, windowMs: 10 },
      { records: 64, keys: 1, windowMs: 5 },
    ]) {
      const all = places(records).map((at) => ({ at, key: keyAt(at, { keys, inputs: 2 }).toString() }))
      const [left, right] = [all.filter(({ at }) => at % 2 === 0), all.filter(({ at }) => at % 2 === 1)]
      const pairs = left.flatMap((one) => right.filter(({ at, key }) => key === one.key && Math.abs(at - one.at) <= windowMs))
      assert.equal(expectedJoin({ records, keys, windowMs }), pairs.length)
    }
  })
})
