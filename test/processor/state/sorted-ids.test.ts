import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { SortedIds } from '../../../processor/state/sorted-ids.ts'

const id = fc.integer({ min: 0, max: 2000 }).map((number) => `id-${number}`)

it('Sorted ids equal a sorted array after any additions and removals', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(id, { maxLength: 1200 }),
      fc.array(id, { maxLength: 1500 }),
      fc.option(id),
      fc.option(id),
      (first, changes, from, to) => {
        const model = new Set(first)
        const ids = new SortedIds(first.toSorted())
        for (const change of changes) {
          if (model.delete(change)) ids.delete(change)
          else {
            model.add(change)
            ids.add(change)
          }
        }
        const expected = [...model].sort().filter((one) => (from === null || one >= from) && (to === null || one < to))
        assert.deepEqual(ids.between(from, to), expected)
      },
    ),
    { numRuns: 200 },
  )
})
