import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { placeEvenly } from '../../../processor/assignment/even-placing.ts'

describe('An even placing of items on bins', () => {
  const few = fc.record({
    weights: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
    items: fc.array(fc.record({ kind: fc.nat(2), bin: fc.option(fc.nat(3)) }), { maxLength: 12 }),
  })

  it('is as even by weight as possible, wherever the items were before', () => {
    fc.assert(
      fc.property(few, ({ weights, items }) => {
        const lying = items.map(({ kind, bin }) => ({ kind, bin: bin === null ? null : bin % weights.length }))
        const { even } = placeEvenly({ weights, base: weights.map(() => 0), items: lying, mayHold: () => true, cost: () => 0 })
        const counts = weights.map((_, bin) => even.filter((at) => at === bin).length)
        assert.ok(unevenness(counts, weights) <= best(items.length, weights) + 1e-9)
      }),
    )
  })

  it('moves nothing if the items are placed evenly already', () => {
    fc.assert(
      fc.property(few, ({ weights, items }) => {
        const placing = { weights, base: weights.map(() => 0), mayHold: () => true, cost: () => 0 }
        const { even } = placeEvenly({ ...placing, items: items.map(({ kind }) => ({ kind, bin: null })) })
        const again = placeEvenly({ ...placing, items: items.map(({ kind }, item) => ({ kind, bin: even[item] ?? null })) })
        assert.deepEqual(again, { first: even, even })
      }),
    )
  })

  it('does not change an even result, whatever a move costs', () => {
    const bins = fc.integer({ min: 1, max: 5 }).chain((count) => {
      const each = <T>(value: fc.Arbitrary<T>) => fc.array(value, { minLength: count, maxLength: count })
      const costs = fc.array(each(fc.constantFrom(0, 20, Number.POSITIVE_INFINITY)), { minLength: 8, maxLength: 8 })
      return fc.record({
        weights: each(fc.integer({ min: 1, max: 3 })),
        base: each(fc.nat(6)),
        able: fc.array(each(fc.boolean()), { minLength: 3, maxLength: 3 }),
        items: fc.array(fc.record({ kind: fc.nat(2), bin: fc.option(fc.nat(count - 1)) }), { maxLength: 8 }),
        costs: fc.tuple(costs, costs),
      })
    })
    fc.assert(
      fc.property(bins, ({ weights, base, able, items, costs: [costs, others] }) => {
        const isAble = (kind: number, bin: number | null) => bin !== null && able[kind]?.[bin] === true
        const mayHold = (item: number, bin: number) => isAble(items[item]?.kind ?? -1, bin)
        const costBy = (table: typeof costs) => (item: number, bin: number) => table[item]?.[bin] ?? 0
        const lying = items.map(({ kind, bin }) => ({ kind, bin: isAble(kind, bin) ? bin : null }))
        const { even } = placeEvenly({ weights, base, items: lying, mayHold, cost: costBy(costs) })
        const again = items.map(({ kind }, item) => ({ kind, bin: even[item] ?? null }))
        assert.deepEqual(placeEvenly({ weights, base, items: again, mayHold, cost: costBy(others) }).even, even)
      }),
      { numRuns: 1000 },
    )
  })

  it('evens out the number of items once more after it has evened out the whole load', () => {
    const able = [
      [true, false, true],
      [true, true, true],
    ]
    const { even } = placeEvenly({
      weights: [1, 2, 3],
      base: [5, 5, 5],
      items: [
        { kind: 0, bin: 0 },
        { kind: 1, bin: 2 },
      ],
      mayHold: (item, bin) => able[item]?.[bin] === true,
      cost: () => 0,
    })
    // Moving the first item makes only the total more even. After this move, the second item finds a better bin.
    assert.deepEqual(even, [2, 1])
  })

  it('puts an item only into a bin that may hold it', () => {
    const { even } = placeEvenly({
      weights: [1, 1, 1],
      base: [0, 0, 0],
      items: [0, 1, 2, 3].map((kind) => ({ kind, bin: null })),
      mayHold: (item, bin) => (item === 3 ? false : bin === 1),
      cost: () => 0,
    })
    assert.deepEqual(even, [1, 1, 1, null])
  })

  it('evens out the bins’ other load if the number of items allows that', () => {
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

/** The best result, found by trying all ways of dividing `count` items among the bins. */
function best(count: number, [weight, ...others]: readonly number[]): number {
  if (weight === undefined) return count === 0 ? 0 : Number.POSITIVE_INFINITY
  return Math.min(...Array.from({ length: count + 1 }, (_, here) => here ** 2 / weight + best(count - here, others)))
}
