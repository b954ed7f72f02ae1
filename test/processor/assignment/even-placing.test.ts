import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { placeEvenly } from '../../../processor/assignment/even-placing.ts'

describe('Placing things evenly', () => {
  const few = fc.record({
    weights: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
    items: fc.array(fc.record({ kind: fc.nat(2), bin: fc.option(fc.nat(3)) }), { maxLength: 12 }),
  })

  it('is as even by weight as it can be, wherever things lay', () => {
    fc.assert(
      fc.property(few, ({ weights, items }) => {
        const lying = items.map(({ kind, bin }) => ({ kind, bin: bin === null ? null : bin % weights.length }))
        const { even } = placeEvenly({ weights, base: weights.map(() => 0), items: lying, mayHold: () => true, cost: () => 0 })
        const counts = weights.map((_, bin) => even.filter((at) => at === bin).length)
        assert.ok(unevenness(counts, weights) <= best(items.length, weights) + 1e-9)
      }),
    )
  })

  it('moves nothing that lies evenly already', () => {
    fc.assert(
      fc.property(few, ({ weights, items }) => {
        const placing = { weights, base: weights.map(() => 0), mayHold: () => true, cost: () => 0 }
        const { even } = placeEvenly({ ...placing, items: items.map(({ kind }) => ({ kind, bin: null })) })
        const again = placeEvenly({ ...placing, items: items.map(({ kind }, item) => ({ kind, bin: even[item] ?? null })) })
        assert.deepEqual(again, { first: even, even })
      }),
    )
  })

  it('puts nothing where it may not lie', () => {
    const { even } = placeEvenly({
      weights: [1, 1, 1],
      base: [0, 0, 0],
      items: [0, 1, 2, 3].map((kind) => ({ kind, bin: null })),
      mayHold: (item, bin) => (item === 3 ? false : bin === 1),
      cost: () => 0,
    })
    assert.deepEqual(even, [1, 1, 1, null])
  })

  it('evens what a bin carries beside, where the number of these allows it', () => {
    const { even } = placeEvenly({
      weights: [1, 1],
      base: [5, 4],
      items: [{ kind: 0, bin: 0 }],
      mayHold: () => true,
      cost: () => 0,
    })
    assert.deepEqual(even, [1])
  })
})

function unevenness(counts: readonly number[], weights: readonly number[]): number {
  return counts.reduce((sum, count, bin) => sum + count ** 2 / (weights[bin] ?? 1), 0)
}

/** By trying all ways to split so many. */
function best(count: number, [weight, ...others]: readonly number[]): number {
  if (weight === undefined) return count === 0 ? 0 : Number.POSITIVE_INFINITY
  return Math.min(...Array.from({ length: count + 1 }, (_, here) => here ** 2 / weight + best(count - here, others)))
}
